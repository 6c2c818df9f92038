"""Sign a bundle off, as architect or as product owner."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from contracts.errors import BadInputError
from contracts.model.bundle import load_bundle
from offline.gates import approve, load_policy, read_approvals, read_gates, read_results, require_policy
from offline.gates.approvals import ROLES, Approval
from offline.gates.signoff import refuse_unready
from ops.cli.options import Json
from ops.console import out, print_json, told_errors
from ops.settings import Settings

EXAMPLE = (
    "Example: bands approve --bundle var/bundles/0.1.0-5f2c9d1e7a40 --role architect --name 'Ada Lovelace' "
    "--gates var/quality_gates_report.json --results var/validation_wf/results.json"
)


def run(
    bundle: Annotated[Path, typer.Option(help="The bundle's folder.")],
    role: Annotated[str | None, typer.Option(help=f"{' or '.join(ROLES)}.")] = None,
    name: Annotated[str | None, typer.Option(help="The person who signs; one person signs one role.")] = None,
    gates: Annotated[Path | None, typer.Option(help="quality_gates_report.json of this bundle.")] = None,
    results: Annotated[Path | None, typer.Option(help="results.json those gates judged.")] = None,
    policy: Annotated[Path | None, typer.Option(help="The policy those gates applied.")] = None,
    note: Annotated[str, typer.Option(help="What the signer wants remembered.")] = "",
    show: Annotated[bool, typer.Option("--show", help="List the sign-offs and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Refused while the gates say no-go or walk-forward coverage is outside 87 to 93 % at any horizon."""
    with told_errors():
        loaded = load_bundle(bundle, accelerate=False)
        folder = approvals_folder(Settings())
        is_new = False
        if not show:
            if role is None or name is None or gates is None or results is None:
                raise BadInputError(
                    "expected --role, --name, --gates and --results, found one missing; or give --show"
                )
            results_source, told = read_results(results)
            gates_source, report = read_gates(gates, loaded.sha256, results_source.sha256)
            policy_file = load_policy(policy)
            require_policy(report, policy_file, gates)
            refuse_unready(loaded.manifest, told, report, policy_file.policy)
            _, is_new = approve(
                folder,
                role=role,
                name=name,
                time=datetime.now(UTC).replace(microsecond=0),
                note=note,
                bundle_sha256=loaded.sha256,
                results_sha256=results_source.sha256,
                gates_sha256=gates_source.sha256,
            )
        signed = read_approvals(folder, loaded.sha256)
        missing = [one for one in ROLES if one not in {approval.role for approval in signed}]
        if as_json:
            print_json(_told(loaded.label, loaded.sha256, signed, missing, is_new=is_new))
        else:
            if not show:
                out.print("signed" if is_new else "signed already: nothing changed")
            _show(loaded.label, signed, missing)


def approvals_folder(settings: Settings) -> Path:
    """Where the workspace keeps sign-offs."""
    return settings.workspace_path / "approvals"


def _told(
    label: str, sha256: str, signed: list[Approval], missing: list[Any], *, is_new: bool
) -> dict[str, Any]:
    return {
        "bundle": label,
        "bundle_sha256": sha256,
        "is_new": is_new,
        "approvals": [approval.model_dump(mode="json") for approval in signed],
        "missing": missing,
    }


def _show(label: str, signed: list[Approval], missing: list[Any]) -> None:
    table = Table(title=f"sign-offs of {label}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("role", "name", "time", "results", "gates", "note"):
        table.add_column(column)
    for one in signed:
        hashes = (one.results_sha256[:12], one.gates_sha256[:12])
        table.add_row(one.role, escape(one.name), f"{one.time:%Y-%m-%d %H:%M}Z", *hashes, escape(one.note))
    out.print(table)
    out.print(f"missing: {', '.join(missing)}" if missing else "complete: both roles have signed")
