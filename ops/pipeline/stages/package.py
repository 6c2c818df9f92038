"""The production package of a bundle that the gates let go."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from offline.dataset import Progress
from offline.gates.approvals import approvals_file
from offline.package import PackageInputs, build_package
from offline.package.contents import PACKAGE_SCHEMA
from offline.package.wheel import project_wheel
from ops.cli.approve import approvals_folder
from ops.pipeline.record import file_sha256
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work
from ops.security.signing import trusted_of


def _inputs(work: Work) -> dict[str, Any]:
    approvals = _approvals(work)
    return {
        "version": work.options.version,
        "project": hashlib.sha256(project_wheel()[1]).hexdigest(),
        "sign-offs": approvals,
        "method": PACKAGE_SCHEMA,
    }


def _approvals(work: Work) -> str | None:
    known = work.record.get("train")
    if known is None:
        return None
    manifest = next(sha256 for path, sha256 in known.outputs.items() if path.endswith("/manifest.json"))
    file = approvals_file(approvals_folder(work.settings), manifest)
    return file_sha256(file) if file.is_file() else None


def _run(work: Work, _: Progress) -> Done:
    options = work.options
    inputs = PackageInputs(
        bundle=work.bundle,
        results=work.validation,
        hpo=work.searched,
        gates=work.gates,
        policy=options.policy,
        calibration=work.chosen,
        approvals=approvals_folder(work.settings),
    )
    # A package is never written over; each set of inputs has a folder of its own.
    read = {name: work.record[name].digest for name in PACKAGE.after if work.record.get(name) is not None}
    key = hashlib.sha256(json.dumps([_inputs(work), read], sort_keys=True).encode()).hexdigest()[:12]
    made = build_package(
        inputs, options.version, work.folder / "packages" / key, trusted=trusted_of(work.settings)
    )
    said = f"{made.archive.relative_to(work.folder)}, sha256 {made.archive_sha256[:12]}"
    return Done([made.folder, made.archive], said)


PACKAGE = Stage("package", ("hpo", "calibrate", "validate", "train", "gates"), _inputs, _run, needs_go=True)
