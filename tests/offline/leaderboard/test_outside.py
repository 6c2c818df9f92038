"""Peers in their own environment: made once, asked by file, told when they fail."""

from __future__ import annotations

import importlib.util
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import UnavailableError
from contracts.model.grid import BAR_SECONDS
from offline.leaderboard import Market, Refit
from offline.leaderboard import outside as outside_module
from offline.leaderboard.environment import REQUIREMENTS, PeersEnvironment
from offline.leaderboard.outside import OUTSIDE, OutsidePeer
from tests.offline.leaderboard.conftest import MOMENT, Setting
from tests.offline.validate.conftest import BARS, START
from tests.offline.validate.test_validate import changed_after

STOP = START + (BARS + 1) * BAR_SECONDS
REFIT = Refit(START + 1_610 * BAR_SECONDS, START + 1_610 * BAR_SECONDS, STOP)


@dataclass(frozen=True, slots=True)
class OurOwn(PeersEnvironment):
    """This very interpreter in place of an environment of its own."""

    @property
    def python(self) -> Path:
        return Path(sys.executable)


def peer(name: str, tmp_path: Path) -> OutsidePeer:
    return OutsidePeer(name, OurOwn(tmp_path))


ECHO = """
import sys
import numpy as np
name, question, answer = sys.argv[1:]
with np.load(question, allow_pickle=False) as held:
    assert held["asked_features"].shape == (len(held["asked_bar"]), held["past_features"].shape[1])
    assert np.isfinite(held["past_returns"]).all() and "asked_returns" not in held.files
    np.savez(answer, quantiles=held["asked_unit"][:, None] * held["levels"])
"""


def test_arrays_go_there_and_back(market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "driver.py").write_text(ECHO)
    monkeypatch.setattr(outside_module, "DRIVER", tmp_path / "driver.py")
    quantiles = peer("qrf", tmp_path).forecast(market, REFIT, 42)
    at = market.served(REFIT)
    np.testing.assert_array_equal(quantiles[:, 2], market.dataset.sigma[at] * np.sqrt(42) * 0.5)


def test_an_answer_of_another_shape_is_refused(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "driver.py").write_text(ECHO.replace("[:, None] * held", "[:3, None] * held"))
    monkeypatch.setattr(outside_module, "DRIVER", tmp_path / "driver.py")
    with pytest.raises(UnavailableError, match=r"found \(3, 5\)"):
        peer("qrf", tmp_path).forecast(market, REFIT, 42)


@pytest.mark.skipif(
    importlib.util.find_spec("quantile_forest") is not None, reason="the peers' packages are installed here"
)
def test_a_driver_that_fails_says_why(market: Market, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"exit code 1: .*No module named 'quantile_forest'"):
        peer("qrf", tmp_path).forecast(market, REFIT, 42)


def interpreter(says: str, code: int) -> Any:
    """An environment builder whose interpreter only prints and ends."""

    def create(self: venv.EnvBuilder, folder: Path) -> None:
        python = Path(folder) / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
        python.chmod(0o755)

    return create


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in interpreter is a shell script")
def test_the_environment_is_believed_only_when_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = PeersEnvironment(tmp_path)
    monkeypatch.setattr(venv.EnvBuilder, "create", interpreter("ERROR: no index answers", 1))
    with pytest.raises(UnavailableError, match=r"peers\.txt, found: ERROR: no index answers; check the net"):
        environment.ensure()
    assert not environment.is_complete
    monkeypatch.setattr(venv.EnvBuilder, "create", interpreter("done", 0))
    environment.ensure()
    assert environment.is_complete
    monkeypatch.setattr(venv.EnvBuilder, "create", interpreter("ERROR: asked twice", 1))
    environment.ensure()
    other = tmp_path / "other.txt"
    other.write_text("mapie==1.0\n")
    assert not PeersEnvironment(tmp_path, other).is_complete, "other requirements, another environment"


def test_the_requirements_pin_every_package_by_hash() -> None:
    blocks = REQUIREMENTS.read_text().replace("\\\n", " ").splitlines()
    pinned = {block.split("==")[0]: block for block in blocks if block.strip()}
    assert all("--hash=sha256:" in block and "==" in block for block in pinned.values())
    wanted = {line.split(">=")[0] for line in REQUIREMENTS.with_suffix(".in").read_text().splitlines()}
    assert wanted <= set(pinned)


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTSIDE)
def test_the_real_peers_look_at_the_past_only(
    name: str, setting: Setting, market: Market, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp() / "peers"
    one = OutsidePeer(name, PeersEnvironment(root))
    try:
        one.prepare()
    except UnavailableError as error:
        pytest.skip(str(error))
    quantiles = one.forecast(market, REFIT, 42)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    other = Market.of([changed_after(history, MOMENT) for history in setting.histories], "AAA", 12)
    before = market.dataset.close_time[market.served(REFIT)] <= MOMENT
    np.testing.assert_array_equal(quantiles[before], one.forecast(other, REFIT, 42)[before])
