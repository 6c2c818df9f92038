"""What the drift watch of a book is told of each bar, and what is said when it finds something."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from contracts.events import Bar, RetrainRequest
from contracts.model.bundle import Bundle
from contracts.model.context import Context
from contracts.model.drift import implied_scale
from contracts.model.features import CLOSE
from contracts.model.grid import BAR_SECONDS, HORIZONS, close_time
from contracts.model.intake import Offer
from worker.book import CLOSE_TIME, ISSUED, SIGMA, Book
from worker.drift import BarSeen, Finding, LabelSeen, Watch, WatchError
from worker.judge import Closed, log_return

COOLDOWN_BARS = 42
"""Bars for which a bundle asks for no second retraining: 7 days."""


def watched(
    book: Book,
    bundle: Bundle,
    bar: Bar,
    offer: Offer,
    closed: Sequence[Closed],
    inputs: NDArray[np.float64] | None,
) -> tuple[Book, tuple[Finding, ...]]:
    """The book after its watch was told of a bar and the labels it closed, and what was found.

    `closed` are this book's; `inputs` is what the models read of the bar, None where they read nothing.
    """
    if bundle.manifest.drift is None:
        return book, ()
    watch, found = _watch_of(book, bundle), list[Finding]()
    for one in closed:
        if one.score is not None:
            seen = LabelSeen(
                one.target_time,
                one.horizon,
                one.score.hit_90,
                one.score.pit,
                one.score.pinball,
                float(one.row[SIGMA]),
            )
            watch, more = watch.on_label(seen)
            found += more
    watch, more = watch.on_bar(_bar_seen(book, bar, offer, inputs))
    return replace(book, watch=watch), tuple(found + list(more))


def _watch_of(book: Book, bundle: Bundle) -> Watch:
    """The book's watch: running, put away, or new."""
    spec = bundle.manifest.drift
    assert spec is not None
    if isinstance(book.watch, Watch):
        return book.watch
    if book.watch is not None:
        try:
            return Watch.from_json(spec, bundle.reference, book.watch)
        except WatchError:  # of a release that watched otherwise
            pass
    return Watch.start(spec, bundle.reference)


def _bar_seen(book: Book, bar: Bar, offer: Offer, inputs: NDArray[np.float64] | None) -> BarSeen:
    closes = close_time(bar.candle.open_time)
    rows = book.open[HORIZONS[0]]
    if not len(rows) or int(rows[-1, CLOSE_TIME]) != closes - BAR_SECONDS:
        return BarSeen(closes, features=inputs)
    unit = float(rows[-1, SIGMA]) * math.sqrt(HORIZONS[0])
    low, *_, high = (rows[-1, ISSUED] * unit).tolist()
    last = float(offer.fold.features.matrix[CLOSE, 1])
    return BarSeen(
        closes,
        log_return(last, bar.close),
        math.log(bar.candle.high / bar.candle.low),
        implied_scale(low, high, HORIZONS[0]),
        inputs,
    )


def inputs_of(offer: Offer, bundle: Bundle, context: Context | None) -> NDArray[np.float64] | None:
    """What the bundle's models read of a bar, shape (features,), or None where they read nothing."""
    if offer.row is None or (bundle.spec.leader is not None and context is None):
        return None
    return bundle.inputs(offer.row, context)


def retrain_request(found: Sequence[Finding], symbol: str, bundle: Bundle, at: int) -> RetrainRequest | None:
    """The request that follows from what was found on `symbol`, if any of it asks for one.

    Its id names bundle and bar, so that partitions that see the same break ask for the same run.
    """
    asking = [one for one in found if one.asks_retrain]
    if not asking:
        return None
    moment = datetime.fromtimestamp(at, UTC)
    return RetrainRequest(
        id=f"drift-{bundle.sha256[:12]}-{moment:%Y%m%dT%H}",
        at=moment,
        requested_by="worker",
        reason="; ".join(f"{symbol} {one.channel}: {one.evidence}" for one in asking),
        bundle=bundle.label,
    )
