"""Sign a bundle: ed25519 over its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInputError
from ops.cli.options import Json
from ops.console import out, print_json, told_errors
from ops.security.signing import sign_bundle, trusted_of
from ops.settings import Settings

EXAMPLE = "Example: bands sign --bundle var/bundles/0.1.0-5f2c9d1e7a40 --key secrets/signing.key"


def run(
    bundle: Annotated[Path, typer.Option(help="The bundle's folder.")],
    key: Annotated[
        Path | None, typer.Option(help="Private key; default: the setting signing.key_file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Adds this key's signature to manifest.sig, beside those of other keys; the same again changes nothing.

    Publish the bundle again afterwards: the registry then has the signature too.
    """
    with told_errors():
        settings = Settings()
        file = key or settings.signing.key_file
        if file is None:
            raise BadInputError("expected --key or the setting signing.key_file, found neither; give one")
        signed_by = sign_bundle(bundle, file)
        trusted = trusted_of(settings)
        believed = trusted is None or signed_by in trusted.keys
        if as_json:
            print_json({"bundle": str(bundle), "key_id": signed_by, "trusted_here": believed})
            return
        out.print(f"{bundle} is signed by key {signed_by}", soft_wrap=True, highlight=False)
        if not believed:
            out.print(f"signing.trusted_keys here are {trusted}: not this one", highlight=False)
