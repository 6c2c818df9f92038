"""Sign-offs: two people, one role each, in a file that shows every change made to it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInputError
from offline.gates import Approval, approve, read_approvals, require_signoff
from offline.gates.approvals import approvals_file

BUNDLE, OTHER = "a" * 64, "b" * 64
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def sign(
    folder: Path, role: str = "architect", name: str = "Ada Lovelace", **more: Any
) -> tuple[Approval, bool]:
    told: dict[str, Any] = {
        "time": NOON,
        "note": "",
        "bundle_sha256": BUNDLE,
        "results_sha256": "c" * 64,
        "gates_sha256": "d" * 64,
    }
    return approve(folder, role=role, name=name, **(told | more))


def test_both_roles_by_two_people_release(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="found none by architect and product-owner"):
        require_signoff(tmp_path, BUNDLE)
    assert sign(tmp_path, note="seen the crash of May")[1]
    with pytest.raises(BadInputError, match="found none by product-owner"):
        require_signoff(tmp_path, BUNDLE)
    sign(tmp_path, "product-owner", "Grace Hopper")
    assert [one.name for one in require_signoff(tmp_path, BUNDLE)] == ["Ada Lovelace", "Grace Hopper"]
    with pytest.raises(BadInputError, match="sign-off of bundle bbbb"):
        require_signoff(tmp_path, OTHER)
    first = json.loads(approvals_file(tmp_path, BUNDLE).read_text().splitlines()[0])
    assert first["time"] == "2024-05-01T12:00:00Z"
    assert first["schema"] == "approval/1"


def test_signing_twice_changes_nothing(tmp_path: Path) -> None:
    first, is_new = sign(tmp_path)
    before = approvals_file(tmp_path, BUNDLE).read_bytes()
    again, is_newer = sign(tmp_path, name="  ada   LOVELACE ", time=datetime(2025, 1, 1, tzinfo=UTC))
    assert (is_new, is_newer) == (True, False)
    assert again == first
    assert approvals_file(tmp_path, BUNDLE).read_bytes() == before


@pytest.mark.parametrize("name", ["Ada Lovelace", "ADA lovelace", "Ada  Lovelace"])
def test_one_person_signs_one_role(name: str, tmp_path: Path) -> None:
    sign(tmp_path)
    with pytest.raises(BadInputError, match="two people for two roles"):
        sign(tmp_path, "product-owner", name)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"name": ""}, "a person's name"),
        ({"name": " \t "}, "control characters"),
        ({"name": "..."}, "a person's name"),
        ({"name": "Ada\x1b[2K"}, "control characters"),
        ({"name": "Ada\u202eecalevoL"}, "control characters"),
        ({"name": "A" * 101}, "at most 100"),
        ({"note": "line\nline"}, "control characters"),
        ({"role": "intern"}, "'architect' or 'product-owner'"),
        ({"bundle_sha256": "../x"}, "pattern"),
    ],
)
def test_what_is_no_sign_off(more: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=told):
        sign(tmp_path, **more)
    assert list(tmp_path.iterdir()) == []


def _second_line_first(lines: list[bytes]) -> list[bytes]:
    return lines[::-1]


def _renamed(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b"Ada", b"Eve"), lines[1]]


def _cut(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1][:-10]]


def _without_first(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


@pytest.mark.parametrize("alter", [_second_line_first, _renamed, _cut, _without_first])
def test_an_altered_file_releases_nothing(alter: Any, tmp_path: Path) -> None:
    sign(tmp_path)
    sign(tmp_path, "product-owner", "Grace Hopper")
    path = approvals_file(tmp_path, BUNDLE)
    path.write_bytes(b"\n".join(alter(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(BadInputError, match="restore"):
        require_signoff(tmp_path, BUNDLE)


def test_sign_offs_of_another_bundle_do_not_count(tmp_path: Path) -> None:
    sign(tmp_path)
    approvals_file(tmp_path, BUNDLE).rename(approvals_file(tmp_path, OTHER))
    with pytest.raises(BadInputError, match="altered"):
        read_approvals(tmp_path, OTHER)


def test_signing_at_once_loses_nobody(tmp_path: Path) -> None:
    names = [f"Person {chr(65 + number)}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: sign(tmp_path, name=name), names))
    assert sorted(one.name for one in read_approvals(tmp_path, BUNDLE)) == names
