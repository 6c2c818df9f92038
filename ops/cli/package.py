"""Make the production package of a bundle, or verify one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInputError
from contracts.model.bundle import TrustedKeys, verify_bundle
from offline.package import PackageInputs, build_package, verify_package
from ops.cli.approve import approvals_folder
from ops.cli.options import Json
from ops.console import out, print_json, told_errors
from ops.security.signing import sign_if_configured, trusted_of
from ops.settings import Settings

EXAMPLE = (
    "Example: bands package --bundle var/bundles/0.1.0-5f2c9d1e7a40 --results var/validation_wf "
    "--version 1.0.0-hpo"
)


def run(
    bundle: Annotated[Path | None, typer.Option(help="The bundle's folder.")] = None,
    results: Annotated[Path | None, typer.Option(help="Folder `bands validate` wrote.")] = None,
    hpo: Annotated[Path | None, typer.Option(help="Folder of best_params_T=42.json and siblings.")] = None,
    gates: Annotated[Path | None, typer.Option(help="quality_gates_report.json of this bundle.")] = None,
    policy: Annotated[Path | None, typer.Option(help="The policy those gates applied.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="calibration_optimal.json.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Of the package, such as 1.0.0-hpo; default: the bundle's.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: packages in the workspace.")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Verify this package, a folder or tar.gz, and stop.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A worker runs from it without a registry. The same inputs give the same tar.gz, byte for byte."""
    with told_errors():
        if verify is not None:
            _verify(verify, trusted_of(Settings()), as_json=as_json)
            return
        if bundle is None or results is None:
            raise BadInputError("expected --bundle and --results, found one missing; or give --verify")
        settings = Settings()
        sign_if_configured(bundle, settings)
        inputs = PackageInputs(bundle, results, hpo, gates, policy, calibration, approvals_folder(settings))
        made = build_package(
            inputs,
            version or verify_bundle(bundle)[0].version,
            folder or settings.workspace_path / "packages",
            trusted=trusted_of(settings),
        )
        if as_json:
            print_json(
                {
                    "folder": str(made.folder),
                    "archive": str(made.archive),
                    "sha256": made.sha256,
                    "archive_sha256": made.archive_sha256,
                    "is_new": made.is_new,
                }
            )
        else:
            out.print(f"{'packed' if made.is_new else 'already there:'} {made.folder}", soft_wrap=True)
            out.print(f"manifest sha256 {made.sha256}", soft_wrap=True, highlight=False)
            out.print(f"{made.archive.name} sha256 {made.archive_sha256}", soft_wrap=True, highlight=False)
            out.print(f"next: [bold]{made.folder}/scripts/start.sh[/]", soft_wrap=True)


def _verify(path: Path, trusted: TrustedKeys | None, *, as_json: bool) -> None:
    verified = verify_package(path, trusted=trusted)
    manifest = verified.manifest
    if as_json:
        print_json(
            {
                "name": manifest.name,
                "version": manifest.version,
                "bundle": manifest.bundle.label,
                "bundle_sha256": manifest.bundle.sha256,
                "go": manifest.go,
                "signed": list(manifest.signed),
                "key_id": verified.key_id,
                "sha256": verified.sha256,
                "files": len(manifest.files),
            }
        )
        return
    judged = {True: "go", False: "no-go", None: "not judged"}[manifest.go]
    signed = " and ".join(manifest.signed) or "nobody"
    out.print(
        f"[bold]{manifest.name}[/] is whole: bundle {manifest.bundle.label}, {judged}, signed by {signed}"
    )
    out.print(f"manifest sha256 {verified.sha256}", soft_wrap=True, highlight=False)
    if verified.key_id is not None:
        out.print(f"its bundle is signed by the trusted key {verified.key_id}", highlight=False)
