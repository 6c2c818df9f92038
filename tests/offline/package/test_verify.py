"""What was slipped into a package, or into its archive, is found."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInputError
from offline.package import Package, verify_package
from offline.package.archive import pack, unpack
from offline.package.hashes import MANIFEST


def sign_again(folder: Path) -> None:
    """What an attacker would do: make the manifest agree with the altered files."""
    told = json.loads((folder / MANIFEST).read_text())
    told["files"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    (folder / MANIFEST).write_text(json.dumps(told))


def _flip(folder: Path) -> None:
    path = folder / "models" / "forest.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _link(folder: Path) -> None:
    (folder / "docs" / "results.json").rename(folder.parent / "elsewhere.json")
    (folder / "docs" / "results.json").symlink_to(folder.parent / "elsewhere.json")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_flip, "models/forest.npz: expected sha256"),
        (_link, "docs/results.json: expected sha256 .* found a link"),
        (lambda f: (f / "scripts" / "more.sh").write_text("rm -rf /"), "scripts/more.sh: not of the package"),
        (lambda f: (f / "requirements.txt").unlink(), "requirements.txt: missing"),
        (lambda f: (f / MANIFEST).write_text("[]"), "expected a package manifest"),
        (lambda f: (f / MANIFEST).unlink(), "expected a package manifest"),
    ],
    ids=["one bit", "link", "added", "removed", "manifest is no object", "no manifest"],
)
def test_what_was_altered_is_named(harm: Callable[[Path], Any], told: str, copy: Path) -> None:
    harm(copy)
    with pytest.raises(BadInputError, match=told):
        verify_package(copy)


def _other_results(folder: Path) -> None:
    path = folder / "docs" / "results.json"
    told = json.loads(path.read_text())
    told["settings"]["train"]["rounds"] = 9
    path.write_text(json.dumps(told))


def _better_coverage(folder: Path) -> None:
    path = folder / "docs" / "results.json"
    told = json.loads(path.read_text())
    told["overall"]["T42"]["pooled"]["coverage_90"]["value"] = 0.905
    path.write_text(json.dumps(told))


def _other_calibrators(folder: Path) -> None:
    (folder / "calibrators" / "calibrators.json").write_text("{}")


def _another_signer(folder: Path) -> None:
    path = folder / "docs" / "approvals.jsonl"
    path.write_text(path.read_text().replace("architect", "product-owner"))


def _no_gates(folder: Path) -> None:
    (folder / "docs" / "quality_gates_report.json").unlink()


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (_flip, "sha256"),
        (_other_results, "training settings differ in rounds"),
        (_better_coverage, "about results file"),
        (_other_calibrators, "expected calibrators/calibrators.json"),
        (_another_signer, "sign-offs"),
        (_no_gates, "verdict None"),
    ],
)
def test_hashes_that_agree_are_not_enough(forge: Callable[[Path], Any], told: str, copy: Path) -> None:
    forge(copy)
    sign_again(copy)
    with pytest.raises(BadInputError, match=told):
        verify_package(copy)


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        ({"version": "../../../../home/x"}, "package/1 manifest"),
        ({"version": "1.0.0/../../x", "name": "production_v1.0.0/../../x"}, "package/1 manifest"),
        ({"version": "2.0.0"}, "named production_v2.0.0"),
        ({"name": "another"}, "named production_v1.0.0-hpo, found 'another'"),
        ({"version": "2.0.0", "name": "production_v2.0.0"}, "folder to be named production_v2.0.0"),
    ],
)
def test_a_version_is_no_path_and_names_the_package(told: dict[str, str], refused: str, copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps(manifest | told))
    with pytest.raises(BadInputError, match=refused):
        verify_package(copy)


def twisted(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b"" if kind != tarfile.REGTYPE else b"x"


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([member("p/../../evil")], "inside one folder"),
        ([member("/etc/evil")], "inside one folder"),
        ([member("p/./x")], "inside one folder"),
        ([member("alone")], "inside one folder"),
        ([member("p/a"), member("q/a")], "expected one folder"),
        ([member("p/a", tarfile.SYMTYPE, "/etc/passwd")], "a link, folder or device"),
        ([member("p/a", tarfile.LNKTYPE, "p/b")], "a link, folder or device"),
        ([member("p/a", tarfile.FIFOTYPE)], "a link, folder or device"),
        ([member("p/a"), member("p/a")], "twice"),
        ([member("p/a"), member("p/a/b")], "files and folders apart"),
        ([], "expected one folder"),
    ],
)
def test_a_twisted_archive_is_refused(members: Any, told: str, tmp_path: Path) -> None:
    path = twisted(tmp_path / "p.tar.gz", *members)
    with pytest.raises(BadInputError, match=told):
        verify_package(path)
    assert [one.name for one in tmp_path.iterdir()] == ["p.tar.gz"]


def test_a_bomb_a_cut_and_rubbish_are_refused(package: Package, tmp_path: Path) -> None:
    (tmp_path / "bomb.tar.gz").write_bytes(pack("p", {"zeros": bytes(2_000_000)}))
    with pytest.raises(BadInputError, match="at most 1000000 bytes"):
        unpack(tmp_path / "bomb.tar.gz", max_bytes=1_000_000)
    whole = package.archive.read_bytes()
    for name, data in (("cut", whole[: len(whole) // 2]), ("rubbish", b"no archive"), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInputError, match="expected"):
            verify_package(tmp_path / name)
