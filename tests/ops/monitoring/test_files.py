"""The files of monitoring: generated as kept, accepted by the tools that read them, whole."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from offline.retrain.metrics import REGISTRY as RETRAINER
from ops.feed.metrics import REGISTRY as FEED
from ops.monitoring import ALERTS
from ops.monitoring.cases import CASES
from ops.monitoring.files import generated, write
from ops.monitoring.grafana import COLUMNS, dashboard
from ops.monitoring.panels import ROWS
from ops.monitoring.routing import alertmanager_yaml
from worker.metrics import REGISTRY as WORKER

HERE = Path(__file__).parents[3] / "ops" / "monitoring"
RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks" / "alerts.md"
FOREIGN = frozenset({"up", "ALERTS", "process_cpu_seconds_total"})
"""What Prometheus itself and its client's own collector bring."""


def run(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on PATH")
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted(generated()))
def test_kept_files_are_the_generated_ones(name: str) -> None:
    told = "run `python -m ops.monitoring` after changing the lists"
    assert (HERE / name).read_text() == generated()[name], told


def test_promtool_accepts_the_configuration_and_every_rule() -> None:
    assert f"{len(ALERTS)} rules found" in run("promtool", "check", "config", "prometheus.yml")


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    run("promtool", "test", "rules", "bands.rules.test.yml", "bands.rules.long.test.yml")


def test_a_rule_that_never_fires_fails_its_test(tmp_path: Path) -> None:
    """The unit tests can fail: with thresholds out of reach they do."""
    for path in write(generated(), tmp_path):
        if path.name == "bands.rules.yml":
            path.write_text(path.read_text().replace("bands_memory_bytes > 1e9", "bands_memory_bytes > 1e19"))
        if path.name == "bands.rules.test.yml":
            told = yaml.safe_load(path.read_text())
            told["tests"] = [one for one in told["tests"] if "BandsMemoryHigh" in str(one)]
            path.write_text(yaml.safe_dump(told))
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH")
    command = ["promtool", "test", "rules", str(tmp_path / "bands.rules.test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode != 0
    assert "BandsMemoryHigh" in done.stdout + done.stderr


def test_amtool_accepts_the_routing() -> None:
    run("amtool", "check-config", "alertmanager.yml")
    routes = ("config", "routes", "test", "--config.file=alertmanager.yml")
    assert run("amtool", *routes, "severity=page").strip() == "page"
    assert run("amtool", *routes, "severity=ticket").strip() == "ticket"


def test_every_alert_has_a_unit_test_with_both_sides() -> None:
    assert set(CASES) == {alert.name for alert in ALERTS}
    for name, case in CASES.items():
        assert case.fires, f"{name}: expected series on which it fires"
        assert case.silent, f"{name}: expected series on which it is silent"


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sections == [alert.name for alert in ALERTS]
    for link in re.findall(r"\]\(#(\w+)\)", RUNBOOK.read_text()):
        assert link in {name.lower() for name in sections}
    for group in yaml.safe_load((HERE / "bands.rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
            assert Path(__file__).parents[3].joinpath(page) == RUNBOOK
            assert anchor == rule["alert"].lower()


def test_every_alert_says_who_hears_of_it_and_why_its_threshold_is_what_it_is() -> None:
    rules = (HERE / "bands.rules.yml").read_text()
    for alert in ALERTS:
        assert alert.severity in {"page", "ticket"}
        assert alert.summary
        assert alert.description
        assert alert.why[:40] in rules


def metrics(registry: CollectorRegistry) -> set[str]:
    """The names of the series a registry exposes."""
    names: set[str] = set()
    for family in registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(
            family.type, ("",)
        )
        names |= {family.name + suffix for suffix in suffixes}
    return names


KNOWN = metrics(WORKER) | metrics(RETRAINER) | metrics(FEED)


def used(expression: str) -> set[str]:
    """The names of metrics in an expression; labels stand in braces or behind on, by, group_left."""
    bare = re.sub(r"\{[^}]*\}", "", expression)
    bare = re.sub(r"\b(?:by|on|ignoring|group_left|without)\s*\([^)]*\)", "", bare)
    return {
        name for name in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", bare) if "_" in name or name in FOREIGN
    } - {
        "histogram_quantile",
        "label_values",
        "min_over_time",
        "group_left",
        "__rate_interval",
    }


def panel_expressions() -> list[str]:
    return [query.expr for row in ROWS for panel in row.panels for query in panel.queries]


@pytest.mark.parametrize("expression", [alert.expr for alert in ALERTS] + panel_expressions())
def test_every_metric_that_is_asked_for_exists(expression: str) -> None:
    assert used(expression) - KNOWN - FOREIGN == set()


def test_no_metric_of_ours_is_shown_nowhere() -> None:
    shown = {name for expression in panel_expressions() for name in used(expression)}
    ours = {name for name in KNOWN if name.startswith("bands_") and not name.endswith(("_sum", "_count"))}
    assert ours - shown == set()


def test_every_panel_expression_is_promql(tmp_path: Path) -> None:
    """promtool reads them as recording rules, with Grafana's variables put in."""
    rules = [
        {"record": f"panel:{n}", "expr": expression.replace("$__rate_interval", "5m").replace("$", "")}
        for n, expression in enumerate(panel_expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("promtool", "check", "rules", str(file))


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    told = json.loads((HERE / "grafana" / "bands.json").read_text())
    assert told == dashboard()
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= told.keys()
    variables = {one["name"]: one for one in told["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    ids = [panel["id"] for panel in told["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in told["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= COLUMNS
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            for variable in re.findall(r"\$(\w+)", target["expr"]):
                assert variable in {*variables, "__rate_interval"}


def test_the_webhooks_of_pages_and_tickets_are_told_apart() -> None:
    told = yaml.safe_load(alertmanager_yaml("http://a/page", "http://b/ticket"))
    urls = {one["name"]: one["webhook_configs"][0]["url"] for one in told["receivers"]}
    assert urls == {"page": "http://a/page", "ticket": "http://b/ticket"}


def test_a_set_of_files_for_other_addresses_keeps_its_webhook_to_itself(tmp_path: Path) -> None:
    secret = tmp_path / "page.url"
    secret.write_text("https://hooks.example/s3cret\n")
    asked = ["--worker", "w0:8100", "--worker", "w1:8100", "--page-url-file", str(secret)]
    command = [sys.executable, "-m", "ops.monitoring", str(tmp_path / "set"), *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "s3cret" not in done.stdout + done.stderr
    routing = tmp_path / "set" / "alertmanager.yml"
    assert "https://hooks.example/s3cret" in routing.read_text()
    assert routing.stat().st_mode & 0o077 == 0
    workers = yaml.safe_load((tmp_path / "set" / "targets" / "workers.yml").read_text())
    assert workers == [{"targets": ["w0:8100", "w1:8100"]}]
    refused = subprocess.run([*command[:3], *asked], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 3
    assert "s3cret" not in refused.stderr


def test_a_feed_of_ones_own_is_not_watched_by_ours(tmp_path: Path) -> None:
    def targets(*asked: str) -> object:
        command = [sys.executable, "-m", "ops.monitoring", str(tmp_path), *asked]
        subprocess.run(command, capture_output=True, timeout=60, check=True)
        return yaml.safe_load((tmp_path / "targets" / "feeds.yml").read_text())

    assert targets("--feed", "f0:8102", "--feed", "f1:8102") == [{"targets": ["f0:8102", "f1:8102"]}]
    assert targets("--no-feed") == [{"targets": []}]
    if shutil.which("promtool") is not None:
        run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
