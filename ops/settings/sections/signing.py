"""Settings of signed bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from ops.settings.sections.base import Section


def _separate(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


Paths = Annotated[tuple[Path, ...], BeforeValidator(_separate)]


class SigningSettings(Section):
    """Who signs bundles, and whose signature is believed."""

    key_file: Path | None = None
    """Private key (ed25519, PEM, closed to others): what is trained, published and packed here is signed."""
    trusted_keys: Paths = ()
    """Public keys, files or folders of `*.pem`; with any, an unsigned or foreign bundle is refused."""
