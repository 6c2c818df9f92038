"""The Grafana dashboard, from the list of panels: one document, imported or provisioned as it is."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ops.monitoring.panel import Panel
from ops.monitoring.panels import ROWS

UID = "quant-bands"
COLUMNS = 24
HEIGHT = {"stat": 4, "timeseries": 8}
SCHEMA = 39
"""Dashboards of Grafana 10.4; newer releases migrate them when they read them."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard() -> dict[str, Any]:
    """The dashboard as JSON types, with variables for the data source, the workers and the symbols."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in ROWS:
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            height = HEIGHT[panel.kind]
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            place = {"h": height, "w": panel.width, "x": left, "y": top}
            panels.append(_panel(panel, len(panels) + 1, place))
            left, tallest = left + panel.width, max(tallest, height)
        top += tallest
    return {
        "uid": UID,
        "title": "Quant Bands",
        "tags": ["quant-bands"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "utc",
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def dashboard_json() -> str:
    """The dashboard's file."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


def datasource_yaml(url: str = "http://127.0.0.1:9090") -> str:
    """Grafana's provisioning of the data source."""
    source = {"name": "Prometheus", "type": "prometheus", "access": "proxy", "url": url, "isDefault": True}
    return yaml.safe_dump({"apiVersion": 1, "datasources": [source]}, sort_keys=False)


def provider_yaml(folder: str = "/etc/grafana/dashboards") -> str:
    """Grafana's provisioning of the dashboards in a folder."""
    provider = {"name": "quant-bands", "type": "file", "options": {"path": folder}}
    return yaml.safe_dump({"apiVersion": 1, "providers": [provider]}, sort_keys=False)


def _variables() -> list[dict[str, Any]]:
    def query(name: str, label: str, values: str) -> dict[str, Any]:
        return {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": values, "refId": name},
            "definition": values,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }

    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return [
        {**source, "hide": 0, "refresh": 1, "current": {}},
        query("instance", "Worker", "label_values(bands_worker_info, instance)"),
        query("symbol", "Symbol", "label_values(bands_symbol_newest_bar_close_seconds, symbol)"),
    ]


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.bad_below}]
    if panel.bad_from is not None:
        steps.append({"color": "red", "value": panel.bad_from})
    options: dict[str, Any] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if panel.kind == "stat":
        named = panel.title in {"Champion"}
        options = {
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "name" if named else "value",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": options,
        "targets": [
            {"refId": chr(65 + n), "datasource": SOURCE, "expr": one.expr, "legendFormat": one.legend}
            for n, one in enumerate(panel.queries)
        ],
    }
