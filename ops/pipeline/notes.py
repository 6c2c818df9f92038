"""What a reader of the figures must know about how they came about."""

from __future__ import annotations

from contracts.model.grid import iso
from ops.pipeline.work import Work


def notes(work: Work) -> list[str]:
    """Sentences on what tuning has seen of what is judged."""
    chosen = [
        what
        for what, asked in (
            ("hyper-parameters", work.options.trials),
            ("calibrators", work.options.calibrate),
            ("the contingency's grid", work.options.grid),
        )
        if asked
    ]
    if not chosen:
        return ["Nothing was tuned: settings and calibrators are the defaults."]
    until, start = iso(work.tune_until)[:10], iso(work.start)[:10]
    told = [f"Tuned on bars that close by {until}: {', '.join(chosen)}."]
    if work.tune_until > work.start:
        told.append(
            f"That is inside the walk-forward, which starts on {start}: its figures up to {until} are "
            "flattered by what was chosen on them."
        )
    else:
        told.append(f"The walk-forward starts on {start}: tuning has seen no band that it scores.")
    told.append(
        f"Cross-validation covers all bars, those before {until} included, which tuning has seen: gate 1 is "
        "flattered by it, gate 2 rests on the walk-forward alone."
    )
    tuned, every = ({history.symbol for history in one} for one in (work.tuning, work.histories))
    if young := sorted(every - tuned):
        told.append(f"Too young to be tuned on by {until}: {', '.join(young)}.")
    return told
