"""Make a pair of signing keys, or tell the id of a public one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.cli.options import Json
from ops.console import out, print_json, told_errors
from ops.security.signing import id_of_public, new_keys

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Keys that sign bundles: a private one for who trains, a public one for who serves.",
    epilog="Example: bands keys new --out secrets/signing",
)


@app.command("new", epilog="Example: bands keys new --out secrets/signing")
def new(
    folder: Annotated[Path, typer.Option("--out", help="Folder for both files.")],
    as_json: Json = False,
) -> None:
    """An ed25519 pair: the private key in PEM, mode 0600, and the public one to be handed around."""
    with told_errors():
        made = new_keys(folder)
        if as_json:
            print_json({"private": str(made.private), "public": str(made.public), "key_id": made.id})
            return
        out.print(f"key {made.id}", highlight=False)
        out.print(f"{made.private}  keep it: signing.key_file of who trains", soft_wrap=True, highlight=False)
        out.print(f"{made.public}  hand it out: signing.trusted_keys", soft_wrap=True, highlight=False)


@app.command("id", epilog="Example: bands keys id secrets/signing/signing.pub.pem")
def tell_id(
    file: Annotated[Path, typer.Argument(help="A public key in PEM.")],
    as_json: Json = False,
) -> None:
    """The id by which signatures name a key."""
    with told_errors():
        found = id_of_public(file)
        if as_json:
            print_json({"key_id": found})
        else:
            out.print(found, highlight=False)
