"""What each field of a message means and in which unit, where its model has no docstring for it.

A docstring or description in `contracts/events` wins over a line here.
"""

from __future__ import annotations

from collections.abc import Mapping

SHARED: Mapping[str, str] = {
    "schema": "Name and version of the message.",
    "symbol": "Market name, upper case, up to 32 characters: `BTCUSDT`, `BTC-USD`, `ETH.P`.",
    "horizon_bars": "How far ahead, in 4-hour bars: 42, 48, 54 or 60, which is 7 to 10 days.",
    "issued_at": "When the band was issued: the close of its bar.",
    "target_time": "When its target bar closes: `issued_at` and the horizon.",
    "at": "When it happened.",
    "detail": "The same in words.",
    "hit_90": "Whether the realised return fell inside the 90 % band.",
    "hit_50": "Whether it fell inside the 50 % band.",
    "pinball": "Mean pinball loss of the five levels, log-return units.",
    "pit": "Rank of the realised return in the band, 0 to 1.",
    "winkler_90": "Interval score of the 90 % band, log-return units.",
    "winkler_50": "Interval score of the 50 % band, log-return units.",
    "q05": "5 % quantile.",
    "q25": "25 % quantile.",
    "q50": "Median.",
    "q75": "75 % quantile.",
    "q95": "95 % quantile.",
}

OWN: Mapping[str, str] = {
    "Bar.open_time": "When the bar opened: 00, 04, 08, 12, 16 or 20 o'clock.",
    "Bar.open": "First price, quote currency.",
    "Bar.high": "Highest price, quote currency.",
    "Bar.low": "Lowest price, quote currency.",
    "Bar.close": "Last price, quote currency.",
    "Bar.volume": "Traded amount, base asset.",
    "Bar.origin": "How it came. A back-filled bar is folded and never answered with a band.",
    "Bar.role": "`context` for a leader's copy that went to another partition; nothing answers it.",
    "Band.status": "Whether the record is a band or says why there is none.",
    "Band.open_time": "When its bar opened.",
    "Band.ref_price": "The bar's close, quote currency; what returns are measured from.",
    "Band.origin": "The bar's.",
    "Band.bundle": "Version and hash of the bundle that issued it.",
    "Band.returns": "Quantiles of log(close at `target_time` / `ref_price`).",
    "Band.prices": "The same in quote currency.",
    "Band.sigma": "One-bar volatility the quantiles were scaled by, log-return units.",
    "Band.calibration": "The conformal correction the band was issued with.",
    "Band.degraded": "What makes the band less certain: `bridged_bars`, `leader_missing`, `extreme_bar`.",
    "Band.reason": "Why there is no band.",
    "Calibration.method": "The calibrator.",
    "Calibration.q_hat_90": "What widens each side of the 90 % band, in volatilities over the horizon.",
    "Calibration.q_hat_50": "The same of the 50 % band.",
    "Outcome.status": "`unresolved` where the target bar is missing or bridged; nothing learns from it then.",
    "Outcome.bundle": "The bundle that issued the band.",
    "Outcome.origin": "The band's.",
    "Outcome.realised": "log(target close / reference price).",
    "Outcome.shadow": "The score of the band that the other bundle put on `shadow.T*` for the same bar.",
    "Outcome.reason": "Why it is unresolved.",
    "ShadowScore.bundle": "The other bundle.",
    "DriftAlert.symbol": "Whose bands have drifted.",
    "DriftAlert.horizon_bars": "Of which horizon, in bars, where the channel has one.",
    "DriftAlert.detector": "What found it.",
    "DriftAlert.channel": "What has drifted.",
    "DriftAlert.severity": "`warning` to look at; `alarm` crossed the bundle's threshold.",
    "DriftAlert.statistic": "The detector's value, in its own units.",
    "DriftAlert.threshold": "The value that raises the alert; it belongs to the bundle.",
    "DriftAlert.evidence": "What was seen, in words.",
    "DriftAlert.bundle": "The bundle that was in force.",
    "RetrainRequest.id": "Names the run it starts; the same id asks once.",
    "RetrainRequest.requested_by": "A worker, `schedule` or a person.",
    "RetrainRequest.reason": "Why.",
    "RetrainRequest.bundle": "The bundle to be replaced; absent for whichever is champion.",
    "RetrainRequest.force": "Also within the cooldown, and of a bundle that is champion no more.",
    "RetrainStatus.id": "The request's.",
    "RetrainStatus.stage": "Where the run is. Exactly one of `skipped`, `registered` and `failed` ends it.",
    "RetrainStatus.progress": "Share of the run that is done.",
    "RetrainStatus.bundle": "What was made.",
    "RetrainStatus.replaces": "The champion it was made for.",
    "RetrainStatus.registry_version": "Its version in the registry.",
    "RetrainStatus.alias": "The alias that points at it.",
    "Release.action": "What was done.",
    "Release.by": "Who did it.",
    "Release.why": "Why.",
    "Release.to_bundle": "What the change puts in its place.",
    "Release.from_bundle": "What leaves it.",
    "Release.share": "Part of the symbols that `to_bundle` serves for real.",
    "Release.id": "Names the change: it is written once however often its writer was cut off.",
    "DeadLetter.reason": "Why the entry was refused.",
    "DeadLetter.entry": "Its id on the bars stream.",
    "DeadLetter.fields": "What it held, at most 64 KiB.",
    "DeadLetter.size_bytes": "Its full size.",
    "DeadLetter.sha256": "Of all its names and values in order.",
    "DeadLetter.truncated": "Whether more than 64 KiB were there.",
    "DeadField.name": "The field's name.",
    "DeadField.text": "Its bytes where they are readable UTF-8.",
    "DeadField.base64": "Its bytes otherwise.",
}


def meaning(model: str, field: str, told: Mapping[str, str]) -> str:
    """What a field means: its docstring in `told`, else its line here.

    Raises:
        LookupError: neither says anything.
    """
    found = told.get(field) or OWN.get(f"{model}.{field}") or SHARED.get(field)
    if found is None:
        raise LookupError(
            f"expected a docstring under {model}.{field} or a line in ops/docs/meanings.py, found none; "
            "write one"
        )
    return found
