"""The bars a command is asked to work on, and what leads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.model.candle import History
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, Progress, build_dataset
from ops.cli.bar_files import chosen_histories
from ops.cli.options import moment
from ops.settings import Settings
from ops.training import choose_leader


@dataclass(frozen=True, slots=True)
class Chosen:
    """Bars per symbol, and the market leader whose rows stand beside everyone's; None for none."""

    histories: list[History]
    leader: str | None

    def dataset(self, settings: Settings, progress: Progress) -> Dataset:
        """The training rows these bars fold into."""
        return build_dataset(
            self.histories,
            FeatureSpec(leader=self.leader),
            max_gap_bars=settings.train.max_gap_bars,
            progress=progress,
        )


def chosen_bars(
    settings: Settings,
    bars: list[Path],
    symbols: list[str] | None,
    since: str | None,
    until: str | None,
    leader: str | None,
) -> Chosen:
    """What `--bars`, `--symbols`, `--since`, `--until` and `--leader` say.

    Raises:
        BarFileError: a file can not be read.
        ValueError: a symbol or leader is not in the files or has no bar in that time, or a time is none.
    """
    histories = chosen_histories(bars, symbols, settings.train.symbols, moment(since), moment(until))
    return Chosen(histories, choose_leader([history.symbol for history in histories], leader))
