"""Labels teach in the order of their closing, within a window and from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from contracts.model import calibrator as registry
from contracts.model.calibrator import BandContext, Calibrator, ClosedLabel
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset
from offline.validate import validate
from offline.validate.online import serve_in_order, volatility_ratios
from tests.offline.validate.conftest import QUICK, SETTINGS, Run


@dataclass(frozen=True)
class Diary:
    """A calibrator that remembers when each label closed, and shifts its bands by how many it knows."""

    method: ClassVar[str] = "test_diary"
    closed: tuple[int, ...] = ()

    @property
    def q_hat(self) -> Mapping[float, float]:
        return {0.90: 0.0, 0.50: 0.0}

    def interval(
        self, quantiles: ArrayLike, context: BandContext | Sequence[BandContext] | None = None
    ) -> NDArray[np.float64]:
        return np.asarray(quantiles) + len(self.closed)

    def update(self, outcome: ClosedLabel) -> Self:
        return type(self)((*self.closed, outcome.closed_at))

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method, "closed": list(self.closed)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        return cls(tuple(state["closed"]))


def test_a_label_teaches_when_it_closes() -> None:
    times = [bar * BAR_SECONDS for bar in range(6)]
    contexts = [BandContext(t, 1.0) for t in times]
    labels = np.array([0.1, np.nan, 0.3, 0.4, 0.5, 0.6])
    early = ClosedLabel((0.0,) * 5, (0.0,) * 5, 0.0, contexts[0], closed_at=BAR_SECONDS)
    issued, end = serve_in_order(
        Diary(), [early], np.zeros((6, 5)), contexts, labels, 2, until=6 * BAR_SECONDS
    )
    assert issued[:, 0].tolist() == [0, 1, 2, 2, 3, 4]
    assert isinstance(end, Diary)
    assert [t // BAR_SECONDS for t in end.closed] == [1, 2, 4, 5, 6]


def test_volatility_ratios_look_back_only() -> None:
    stream = np.random.default_rng(1)
    symbol, sigma = stream.integers(0, 2, 3_000), np.exp(stream.standard_normal(3_000))
    ratios = volatility_ratios(symbol, sigma)
    np.testing.assert_array_equal(ratios[:2_000], volatility_ratios(symbol[:2_000], sigma[:2_000]))
    mine = np.flatnonzero(symbol == 1)
    at = mine[1_200]
    expected = sigma[at] / np.exp(np.log(sigma[mine[201:1_201]]).mean())
    assert ratios[at] == pytest.approx(expected)


def carried(refitted: Calibrator, previous: Calibrator | None) -> Calibrator:
    return previous or Diary()


def test_open_labels_teach_in_the_next_window(
    walked: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._METHODS, Diary.method, Diary)
    done = validate(
        walked.histories, tmp_path, settings=SETTINGS, train_settings=QUICK, leader="AAA", opening=carried
    )
    dataset = build_dataset(walked.histories, FeatureSpec(leader="AAA"))
    from offline.validate.served import Served
    from offline.validate.store import WindowStore

    keys = [(w["start"].replace(":", ""), w["key"]) for w in done.results["windows"]]
    arrays = WindowStore(tmp_path / "windows").load(*keys[-1])
    assert arrays is not None
    last = Served.from_arrays(arrays)
    for symbol in range(2):
        for h, horizon in enumerate(HORIZONS):
            issued = (dataset.symbol == symbol) & (dataset.close_time >= SETTINGS.start)
            known = issued & np.isfinite(dataset.returns[:, h])
            expected = dataset.close_time[known] + horizon * BAR_SECONDS
            diary = last.calibrator(symbol, h)
            assert isinstance(diary, Diary)
            assert list(diary.closed) == expected.tolist(), "each label once, in closing order"
