"""Options that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops.settings import Settings

BarFiles = Annotated[
    list[Path],
    typer.Option("--bars", help="Parquet or CSV files of 4-hour bars, or folders of them.", exists=False),
]
OptionalBarFiles = Annotated[
    list[Path] | None,
    typer.Option("--bars", help="Parquet or CSV file of 4-hour bars; without it the market is simulated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
RedisUrl = Annotated[
    str | None,
    typer.Option("--redis-url", help="Your own server (redis://, rediss://); default: the embedded one."),
]
TrackingUri = Annotated[
    str | None, typer.Option("--tracking-uri", help="MLflow registry; default: SQLite in the workspace.")
]
Until = Annotated[
    str | None, typer.Option("--until", help="Use bars that close by this time, e.g. 2024-01-01 (UTC).")
]

Since = Annotated[
    str | None, typer.Option("--since", help="Leave out bars before this time, e.g. 2013-01-01 (UTC).")
]

Symbols = Annotated[
    list[str] | None, typer.Option("--symbols", help="Only these, e.g. `BTCUSDT ETHUSDT`; default: all.")
]
Leader = Annotated[
    str | None, typer.Option("--leader", help="Market leader, or `none`; default BTCUSDT among several.")
]
Params = Annotated[
    Path | None,
    typer.Option("--params", help="Folder of `bands hpo`: train each horizon as tuned there."),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option("--calibration", help="File of `bands calibrate`: each horizon's best calibrator."),
]


def moment(text: str | None) -> int | None:
    """An ISO date or time, UTC where it says nothing else, in epoch seconds.

    Raises:
        ValueError: it is neither.
    """
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"expected a date such as 2024-01-01 or 2024-01-01T04:00Z, found {text!r}"
        ) from error
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


def settings_with(redis_url: str | None = None, tracking_uri: str | None = None) -> Settings:
    """The settings, with what was said on the command line on top; a registry's log-in is made known.

    Raises:
        SettingsError: a setting is unknown or out of range.
        SecretError: the registry's password file is missing or readable by everybody.
    """
    given: dict[str, object] = {}
    if redis_url is not None:
        given["redis"] = {"url": redis_url}
    if tracking_uri is not None:
        given["registry"] = {"tracking_uri": tracking_uri}
    settings = Settings(**given)
    settings.registry.log_in()
    return settings
