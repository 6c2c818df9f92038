"""Write the server's ACL file, a user for each role, or check what a server has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.connect import connect_sync
from contracts.errors import BadInputError
from ops.cli.options import Json
from ops.console import FAILED, UNAVAILABLE, out, print_json, told_errors
from ops.security.acl import rotate, write_acl
from ops.security.check import look
from ops.security.roles import ADMIN, roles
from ops.settings import Settings

EXAMPLE = "Example: bands acl --out users.acl --passwords secrets/redis"


def run(
    file: Annotated[Path | None, typer.Option("--out", help="The ACL file to write.")] = None,
    passwords: Annotated[
        Path | None, typer.Option(help="Folder of the passwords; default: secrets/redis in the workspace.")
    ] = None,
    renew: Annotated[
        list[str] | None, typer.Option("--renew", help="Give this role a new password; needs --out.")
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="Compare a server's users with the roles, as admin; its password is read from the folder."
        ),
    ] = None,
    redis70: Annotated[
        bool,
        typer.Option("--redis-7.0", help="For Redis 7.0, which lacks a command; a check finds out itself."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Passwords are made where they are missing, each in a file of its own (mode 0600), and never printed.

    The same again changes nothing. Exit 1 when --check finds a difference. Partitions and cluster: settings.
    """
    with told_errors():
        settings = Settings()
        folder = passwords or settings.workspace_path / "secrets" / "redis"
        table = roles(settings.stream.partitions, cluster=settings.redis.cluster, redis70=redis70)
        if (file is None) == (check is None):
            raise BadInputError("expected --out or --check, found both or neither; give one")
        if check is not None:
            _check(settings, check, folder, as_json=as_json)
            return
        assert file is not None
        for role in renew or ():
            rotate(folder, role)
        written = write_acl(file, folder, table)
        if as_json:
            print_json(
                {
                    "file": str(file),
                    "passwords": str(folder),
                    "is_new": written.is_new,
                    "users": [role.name for role in table],
                    "new_passwords": [*written.made, *(renew or ())],
                    "kept": list(written.kept),
                }
            )
            return
        verb = "written" if written.is_new else "as it was:"
        out.print(
            f"{verb} {file}, {len(table)} users; passwords in {folder}", soft_wrap=True, highlight=False
        )
        if written.kept:
            out.print(f"kept, though no role: {', '.join(written.kept)}", highlight=False)
        out.print("next: aclfile in the server's configuration, or `ACL LOAD` where it is there already")


def _check(settings: Settings, url: str, folder: Path, *, as_json: bool) -> None:
    own = settings.redis.model_copy(update={"url": url})
    if own.username is None and own.password_file is None and (folder / ADMIN).is_file():
        own = own.model_copy(update={"username": ADMIN, "password_file": folder / ADMIN})
    known = folder if folder.is_dir() else None
    timeout_s = own.socket_timeout_s
    with connect_sync(own.effective_url or url, cluster=own.cluster, socket_timeout=timeout_s) as client:
        found = look(client, settings.stream.partitions, cluster=own.cluster, passwords=known)
    if as_json:
        told = {"differences": found.differences, "refused_lately": found.refused, "nodes": found.nodes}
        print_json(told | {"silent": found.silent})
    else:
        for line in found.differences:
            out.print(f"[red]differs[/] {line.replace('[', chr(92) + '[')}", highlight=False, soft_wrap=True)
        for line in found.refused:
            out.print(f"refused lately: {line}", highlight=False, markup=False, soft_wrap=True)
        for line in found.silent:
            out.print(f"not compared: {line}", highlight=False, markup=False, soft_wrap=True)
        if not found.differences and not found.silent:
            whose = f"{found.nodes} nodes'" if found.nodes > 1 else "server's"
            out.print(f"the {whose} users are the roles of the table", highlight=False)
    if found.differences or found.silent:
        raise typer.Exit(FAILED if found.differences else UNAVAILABLE)
