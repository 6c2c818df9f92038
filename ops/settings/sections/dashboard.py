"""Settings of the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from ops.settings.sections.base import Host, Names, Port, Seconds, Section

OFF = "none"


def _http(url: str) -> str:
    if url == OFF:
        return ""
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("Input should be a URL that starts with http:// or https://")
    return url.rstrip("/")


def _all_http(urls: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(address for url in urls if (address := _http(url)))


def _text(given: object) -> object:
    # Whatever it is given as becomes text: the error of a wrong type would print the value.
    return given if given is None or isinstance(given, SecretStr) else str(given)


Secret = Annotated[SecretStr | None, BeforeValidator(_text)]


class DashboardSettings(Section):
    """The live page."""

    host: Host = "127.0.0.1"
    """Any other than a loopback address asks for a password."""
    port: Port = 8_110
    password: Secret = Field(default=None, repr=False)
    """Of the login page; better from BANDS_DASHBOARD__PASSWORD or a file than from bands.toml."""
    password_file: Path | None = None
    """A file with the password, or with its werkzeug hash (`scrypt:…`); its last line break is dropped."""
    workers: Annotated[Names, AfterValidator(_all_http)] = ("http://127.0.0.1:8100",)
    """HTTP addresses of the workers, one per partition, whose /ready and /metrics are shown."""
    retrainer: Annotated[str, AfterValidator(_http)] = "http://127.0.0.1:8101"
    """HTTP address of the retrainer; `none` is not watched. So too the feed's."""
    feed: Annotated[str, AfterValidator(_http)] = "http://127.0.0.1:8102"
    history_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1_830.0
    """How far back the page reaches: five years."""
    poll_s: Seconds = 1.0
    """How often the streams are read."""
    grace_s: Seconds = 900.0
    """How long after a bar should have closed its absence is called stale."""
