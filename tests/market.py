"""A small simulated market and a bundle trained on its first part, for tests of everything downstream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.events import Bar
from contracts.model.bundle import Bundle, load_bundle
from contracts.model.candle import Candle, History
from contracts.model.grid import BAR_SECONDS
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset
from offline.market import MarketSpec, simulate
from offline.train import TrainSettings, train, write_trained

START = 1_577_836_800  # 2020-01-01
SYMBOLS = ("AAA", "BBB")
TRAINING_BARS = 1_400
LIVE_BARS = 400
QUICK = TrainSettings(rounds=8, learning_rate=0.1, folds=3)


@dataclass(frozen=True)
class TestMarket:
    """Histories of two symbols, cut where training ends, and the bundle that knows the first part."""

    __test__ = False
    folder: Path
    bundle: Bundle
    training: dict[str, History]
    live: dict[str, History]

    def bars(self, n_bars: int = LIVE_BARS, symbols: tuple[str, ...] = SYMBOLS) -> list[Bar]:
        """Bars after training, in the order of their close and then symbol."""
        rows = [
            (candle.open_time, symbol, candle)
            for symbol in symbols
            for candle in self.live[symbol].candles()[:n_bars]
        ]
        return [bar_of(symbol, candle) for _, symbol, candle in sorted(rows)]

    def broken(self, at: int, factor: float) -> list[Bar]:
        """The same bars with a volatility `factor` times as high from the live bar `at` on."""
        breaks = [(TRAINING_BARS + at, factor)]
        wild = simulate(MarketSpec(), SYMBOLS, TRAINING_BARS + LIVE_BARS, START, seed=5, breaks=breaks)
        cut = START + TRAINING_BARS * BAR_SECONDS
        live = {s: h.between(cut, None) for s, h in wild.histories.items()}
        return TestMarket(self.folder, self.bundle, self.training, live).bars()


def bar_of(symbol: str, candle: Candle, **more: str) -> Bar:
    """The message of a candle."""
    return Bar.model_validate(
        {"symbol": symbol, **candle._asdict(), "open_time": f"{candle.open_time}", **more}, strict=False
    )


def train_market(
    folder: Path,
    *,
    leader: str | None,
    settings: TrainSettings = QUICK,
    version: str = "0.1.0-test",
    training_bars: int = TRAINING_BARS,
    total_bars: int = TRAINING_BARS + LIVE_BARS,
    symbols: tuple[str, ...] = SYMBOLS,
) -> TestMarket:
    """Simulate, train and write a bundle into `folder`; about two seconds for two symbols."""
    market = simulate(MarketSpec(), symbols, total_bars, START, seed=5)
    cut = START + training_bars * BAR_SECONDS
    training = {s: h.between(None, cut) for s, h in market.histories.items()}
    live = {s: h.between(cut, None) for s, h in market.histories.items()}
    dataset = build_dataset(list(training.values()), FeatureSpec(leader=leader))
    heads = train(dataset, settings)
    path = write_trained(
        folder / "bundle", heads, dataset, list(training.values()), settings, version=version
    )
    return TestMarket(path, load_bundle(path, accelerate=False), training, live)
