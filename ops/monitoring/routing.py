"""The configuration of Alertmanager: pages and tickets to a webhook each, and what keeps quiet meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a group of alerts waits before it is sent, before news of it is, and until it is repeated."""

    group: str
    news: str
    repeat: str


PAGE = Waits("30s", "5m", "4h")
"""Half a minute, so that what falls together is told together; again each shift until it is over."""
TICKET = Waits("5m", "1h", "24h")
"""A ticket is looked at within a day; the minutes gather what belongs together."""

PAGE_URL, TICKET_URL = "http://127.0.0.1:9095/page", "http://127.0.0.1:9095/ticket"
"""Placeholders on this machine: nothing leaves it until the real ones are given."""


def alertmanager_yaml(
    page_url: str = PAGE_URL, ticket_url: str = TICKET_URL, *, page: Waits = PAGE, ticket: Waits = TICKET
) -> str:
    """Severity page and ticket go to their webhooks; a worker that is down silences what follows from it.

    A webhook's URL is a secret: the file made with the real ones is for Alertmanager's eyes alone.
    """
    symptoms = 'alertname=~"Bands.+",alertname!="BandsWorkerDown"'
    told: dict[str, Any] = {
        "route": {
            "receiver": "ticket",
            "group_by": ["alertname", "partition"],
            **_waits(ticket),
            "routes": [{"receiver": "page", "matchers": ['severity="page"'], **_waits(page)}],
        },
        "inhibit_rules": [
            # A worker that does not answer explains all that is told of its instance …
            _inhibit('alertname="BandsWorkerDown"', symptoms, ["instance"]),
            # … a server that is away explains why nothing arrives, is read or becomes fewer …
            _inhibit(
                'alertname="BandsServerUnreachable"',
                'alertname=~"BandsReaderFailing|BandsLagGrows|BandsPendingStuck|BandsFeedDead|'
                'BandsSymbolSilent|BandsNoBands"',
                ["instance"],
            ),
            # … and no feed is ready without it, wherever the feed runs; …
            _inhibit('alertname="BandsServerUnreachable"', 'alertname="BandsFeedDown"', []),
            # … and a silent feed why there are no bands.
            _inhibit('alertname="BandsFeedDead"', 'alertname="BandsNoBands"', ["instance"]),
            _inhibit('alertname="BandsCoverageBroken"', 'alertname="BandsCoverageOff"', ["horizon"]),
        ],
        "receivers": [_webhook("page", page_url), _webhook("ticket", ticket_url)],
    }
    return yaml.safe_dump(told, sort_keys=False, width=100)


def _waits(waits: Waits) -> dict[str, str]:
    return {"group_wait": waits.group, "group_interval": waits.news, "repeat_interval": waits.repeat}


def _inhibit(source: str, target: str, equal: list[str]) -> dict[str, Any]:
    return {
        "source_matchers": [source],
        "target_matchers": target.split(","),
        "equal": equal,
    }


def _webhook(name: str, url: str) -> dict[str, Any]:
    return {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}
