"""Why there is no band, in words: what each reason means and what to do about it."""

from __future__ import annotations

from contracts.events import DeadReason, NoBandReason

NO_BAND: dict[NoBandReason, tuple[str, str]] = {
    "warming_up": (
        "The symbol's features need 361 consecutive bars, and so many have not come yet.",
        "Wait, push older bars first with origin backfill, or serve a bundle trained on this symbol: it "
        "brings the folded state.",
    ),
    "gap": (
        "More bars were missing before this one than are bridged, so the symbol began to warm up again.",
        "Serve a bundle trained on bars that cover the outage: the worker goes on from its state at once.",
    ),
    "backfill": (
        "The bar came as a back-filled one: it was folded, and back-filled bars are never answered.",
        "Nothing; send bars that should be answered with origin live or replay.",
    ),
    "unknown_symbol": (
        "The bundle that answers was not trained on this symbol.",
        "Train a bundle that includes it and publish it, or stop sending it.",
    ),
    "no_bundle": (
        "No bundle was in force when the bar came.",
        "Publish one with `bands publish`, and see `bands status`.",
    ),
    "no_context": (
        "The bundle reads features of a market leader, and none of its bars was known for this moment.",
        "Send the leader's bars too; with several partitions, to each of them with role context.",
    ),
    "uncalibrated": (
        "The band could not be told in finite numbers.",
        "Where too few labels were at hand, train with more history; where the prices were extreme, check "
        "the bar.",
    ),
}

DEAD: dict[DeadReason, str] = {
    "schema": "Send schema bar/1; see /docs of the worker.",
    "oversized": "A bar needs 200 bytes; check what the feed sends.",
    "invalid_bar": "Correct the bar and send it again: it was not folded.",
    "not_closed": "Send a bar when it has closed, and leave entry ids to the server.",
    "wrong_partition": "Send the symbol to its own partition, by CRC32 of its name.",
    "conflict": "The bar as first told was answered; a correction can not be folded any more.",
    "late": "Newer bars were folded before; send bars in the order of time.",
    "trimmed": "The stream let go of the entry before it was read; send the bar again.",
    "failed": "A fault of the worker: report it with this letter; the symbol misses one bar.",
}
