"""The verdict on a challenger: win, lose or undecided, and the figures behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import BAR_SECONDS, iso
from offline.metrics.bootstrap import Estimate, bootstrap_ratio, effective_sample_size
from offline.shadow.evidence import ALPHA, LAG_BARS, Evidence, evidence
from offline.shadow.ledger import Ledger, Row

Array = NDArray[np.float64]
Verdict = Literal["win", "lose", "undecided"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the settled bars of a ledger say.

    `verdict` is `win` once the evidence that the challenger is better has ever reached 1/alpha, `lose` once
    that for the champion has, and of both the later. Each is wrong with a chance of at most alpha, over all
    looks together, of a challenger that is never the better one given the past. Of two that are equal on
    average only and take turns for months, 10 % were told apart within ten simulated years.

    `gain` is how much lower the challenger's pinball loss is, as a share of the champion's, with a 90 %
    moving-block bootstrap interval: it holds at a time fixed beforehand, not at all times at once (a loss
    has no upper bound, so that nobody can bet on a ratio of losses). Coverages are shares of cells, None
    without any. Times are ISO 8601 UTC.
    """

    champion: str
    challenger: str
    verdict: Verdict
    decided_at: str | None
    """Time of issue of the bar that decided, known `LAG_BARS` later."""
    alpha: float
    e_win: float
    e_lose: float
    peak_win: float
    peak_lose: float
    gain: Estimate | None
    bars: int
    """Settled bars with at least one pair of bands."""
    independent: int
    """Labels among them that do not overlap."""
    cells: int
    symbols: int
    first: str | None
    last: str | None
    champion_coverage_90: float | None
    challenger_coverage_90: float | None
    champion_coverage_50: float | None
    challenger_coverage_50: float | None
    open: int
    """Cells whose label has yet to close or to settle."""
    left_out: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        told = f"{self.challenger} against {self.champion}: {self.verdict}"
        gain = "" if self.gain is None else f", pinball {-self.gain.value:+.1%}"
        return (
            f"{told}{gain} over {self.bars} bars, about {self.independent} independent; evidence for it "
            f"{self.peak_win:.3g}, against it {self.peak_lose:.3g}, {1 / self.alpha:g} decide"
        )


def compare(ledger: Ledger, alpha: float = ALPHA) -> Comparison:
    """Judge the challenger of a ledger on its settled bars.

    Raises:
        ValueError: alpha is not in (0, 1).
    """
    settled = ledger.settled()
    table = _calendar(settled)
    n = np.where(table[:, _N] > 0, table[:, _N], np.nan)
    gain = (table[:, _CHAMPION] - table[:, _CHALLENGER]) / n
    win = evidence(gain, table[:, _WORST] / n, alpha=alpha)
    lose = evidence(-gain, table[:, _BEST] / n, alpha=alpha)
    verdict, decided = _verdict(win, lose)
    known = int(np.isfinite(n).sum())
    cells = int(table[:, _N].sum())
    first = settled[0][0] if settled else 0

    def share(column: int) -> float | None:
        return float(table[:, column].sum() / cells) if cells else None

    return Comparison(
        champion=ledger.champion,
        challenger=ledger.challenger,
        verdict=verdict,
        decided_at=None if decided is None else iso(first + decided * BAR_SECONDS),
        alpha=alpha,
        e_win=win.value,
        e_lose=lose.value,
        peak_win=float(win.path.max(initial=1.0)),
        peak_lose=float(lose.path.max(initial=1.0)),
        gain=_gain(table, n) if known else None,
        bars=known,
        independent=effective_sample_size(known, LAG_BARS),
        cells=cells,
        symbols=len(ledger.symbols),
        first=iso(settled[0][0]) if settled else None,
        last=iso(settled[-1][0]) if settled else None,
        champion_coverage_90=share(_HITS),
        challenger_coverage_90=share(_HITS + 1),
        champion_coverage_50=share(_HITS + 2),
        challenger_coverage_50=share(_HITS + 3),
        open=len(ledger.open) + sum(row.n for at, row in ledger.rows.items() if at > ledger.settled_until),
        left_out={reason: count for reason, count in sorted(ledger.left_out.items()) if count},
    )


_N, _CHAMPION, _CHALLENGER, _WORST, _BEST, _HITS = 1, 2, 3, 4, 5, 6
_COLUMNS = len(Row().values())


def _calendar(settled: list[tuple[int, Row]]) -> Array:
    """A line of the rows' values per bar of the calendar, zeros where a bar has no row."""
    if not settled:
        return np.zeros((0, _COLUMNS))
    first, last = settled[0][0], settled[-1][0]
    table = np.zeros(((last - first) // BAR_SECONDS + 1, _COLUMNS))
    for at, row in settled:
        # The bits of a wide market do not fit a float, and no figure needs them.
        table[(at - first) // BAR_SECONDS, 1:] = row.values()[1:]
    return table


def _verdict(win: Evidence, lose: Evidence) -> tuple[Verdict, int | None]:
    if win.reached is not None and (lose.reached is None or win.reached > lose.reached):
        return "win", win.reached
    if lose.reached is not None:
        return "lose", lose.reached
    return "undecided", None


def _gain(table: Array, n: Array) -> Estimate:
    ratio = bootstrap_ratio(table[:, _CHALLENGER] / n, table[:, _CHAMPION] / n, LAG_BARS)
    low = None if ratio.high is None else 1 - ratio.high
    high = None if ratio.low is None else 1 - ratio.low
    return Estimate(
        1 - ratio.value, low, high, ratio.level, int(table[:, _N].sum()), ratio.n_effective, ratio.reason
    )
