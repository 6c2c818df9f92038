"""Thresholds in a file: partial overrides, and mistakes that are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import BadInputError
from offline.gates import load_policy
from offline.gates.bound import Bound


def test_the_default_is_what_the_house_asks() -> None:
    found = load_policy()
    assert found.is_default
    assert found.policy.out_of_sample.coverage_90 == Bound(between=(0.87, 0.93))
    assert found.policy.go_live.always == ("cv_quality", "technical")


def test_a_file_replaces_single_values_only(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[cv_quality]\npinball = { between = [0.0, 0.04] }\n")
    found = load_policy(own)
    assert not found.is_default
    assert found.name == "own.toml"
    assert str(found.policy.cv_quality.pinball) == "0 to 0.04"
    assert found.policy.cv_quality.coverage_90 == load_policy().policy.cv_quality.coverage_90


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cv_quality]\npinbal = { below = 1 }", "cv_quality.pinbal: the nearest is cv_quality.pinball"),
        ("[cv_qualty]\n", "cv_qualty: the nearest is cv_quality"),
        ("cv_quality = 3", "to be a section"),
        ("[cv_quality]\npinball = 0.05", "cv_quality.pinball"),
        ("[cv_quality]\npinball = { below = nan }", "finite number"),
        ("[cv_quality]\npinball = { below = 1, above = 0 }", "exactly one"),
        ("[cv_quality]\ncoverage_90 = { between = [0.93, 0.87] }", "low, high"),
        ("[go_live]\nalways = ['luck']", "go_live.always"),
        ("[[", "TOML"),
    ],
)
def test_a_mistake_is_named(text: str, told: str, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(BadInputError) as error:
        load_policy(own)
    assert told in str(error.value)
    assert "own.toml" in str(error.value)


@pytest.mark.parametrize(
    ("bound", "inside", "outside", "by"),
    [
        (Bound(below=0.05), 0.0499, 0.05, 0.0),
        (Bound(above=0.05), 0.051, 0.02, 0.03),
        (Bound(between=(0.87, 0.93)), 0.93, 0.95, 0.02),
    ],
)
def test_bounds(bound: Bound, inside: float, outside: float, by: float) -> None:
    assert bound.holds(inside)
    assert bound.missed_by(inside) == 0
    assert not bound.holds(outside)
    assert bound.missed_by(outside) == pytest.approx(by)
