"""A verdict on the tiny market's bundle, from evidence that a test may spoil."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offline.gates import (
    Evidence,
    Inference,
    Registered,
    Source,
    examine,
    judge,
    load_policy,
    read_results,
)
from offline.gates.production import METRICS
from tests.market import TestMarket
from tests.offline.gates.evidence import (
    POLICY,
    Spoil,
    good_inference,
    good_results,
    save,
)

PUBLISHED = Registered(version="1", run="FINISHED")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "gates.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def verdict(market: TestMarket, tmp_path: Path, policy: Path) -> Callable[..., dict[str, Any]]:
    """The report on the market's bundle, from good evidence that `spoil` has been at."""

    def judged(spoil: Spoil = lambda told: None, **more: Any) -> dict[str, Any]:
        told = good_results(market.bundle.manifest)
        spoil(told)
        speed = Inference.from_json(good_inference(market.bundle.sha256))
        evidence = Evidence(
            examine(market.folder),
            read_results(save(told, tmp_path / "results.json")),
            PUBLISHED,
            METRICS,
            (Source("inference.json", "0" * 64), speed),
        )
        return judge(replace(evidence, **more), load_policy(policy))

    return judged
