"""When a peer learns anew: every so many days, each half-year, or each year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from contracts.model.grid import iso

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Refit:
    """A fit at `start` on labels closed by then, serving the bars that close in [begin, stop).

    Epoch seconds. `begin` is later than `start` where the rows asked for begin within a half-year.
    """

    start: int
    begin: int
    stop: int

    def __str__(self) -> str:
        return iso(self.start)[:10]


@dataclass(frozen=True, slots=True)
class EveryDays:
    """Refit at the first row and then every `days` days."""

    days: int

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError(f"expected at least one day between refits, found {self.days}")

    def __str__(self) -> str:
        return f"every {self.days} days"

    def refits(self, begin: int, stop: int) -> list[Refit]:
        """The refits that serve the bars closing in [begin, stop)."""
        step = self.days * DAY
        return [Refit(at, at, min(at + step, stop)) for at in range(begin, stop, step)]


@dataclass(frozen=True, slots=True)
class EveryMonths:
    """Refit on the first of January and of every `months`-th month after it, UTC.

    >>> [str(refit) for refit in EveryMonths(6).refits(1_600_000_000, 1_630_000_000)]
    ['2020-07-01', '2021-01-01', '2021-07-01']
    """

    months: int

    def __post_init__(self) -> None:
        if self.months not in (1, 2, 3, 4, 6, 12):
            raise ValueError(f"expected a number of months that divides the year, found {self.months}")

    def __str__(self) -> str:
        return "each 1 January" if self.months == 12 else f"each 1 January and every {self.months} months"

    def refits(self, begin: int, stop: int) -> list[Refit]:
        """The refits that serve the bars closing in [begin, stop); the first may be before `begin`."""
        years = range(datetime.fromtimestamp(begin, UTC).year, datetime.fromtimestamp(stop, UTC).year + 2)
        starts = [
            int(datetime(year, month, 1, tzinfo=UTC).timestamp())
            for year in years
            for month in range(1, 13, self.months)
        ]
        return [
            Refit(start, max(start, begin), min(end, stop))
            for start, end in pairwise(starts)
            if end > begin and start < stop
        ]


Cadence = EveryDays | EveryMonths


def cadence(text: str) -> Cadence:
    """`half-year`, `year` or a number of days. Raises `ValueError` for anything else.

    >>> str(cadence("30")), str(cadence("half-year"))
    ('every 30 days', 'each 1 January and every 6 months')
    """
    named = {"half-year": EveryMonths(6), "year": EveryMonths(12)}
    if text in named:
        return named[text]
    if not text.isdigit():
        raise ValueError(f"expected a number of days, `half-year` or `year` between refits, found {text!r}")
    return EveryDays(int(text))
