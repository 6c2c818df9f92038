"""The first records after a switch: which are waited for, which are the bundle's fault, which are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.events import Band
from contracts.events.band import Calibration, NoBandReason, Quantiles
from contracts.topics import Topics
from ops.deployment import baseline
from ops.deployment.baseline import First, stream_ends, wait_first_bands
from ops.settings import Settings

LABEL = "1.1.0-hpo+0123456789ab"
OLD = "1.0.0-hpo+ba9876543210"
OPENED = datetime(2026, 1, 1, tzinfo=UTC)
CLOSED = OPENED + timedelta(hours=4)


def say(client: Any, symbol: str, reason: NoBandReason | None = None, bundle: str | None = LABEL) -> None:
    """A record as the worker writes it: a band, or why there is none."""
    steps = Quantiles(q05=-0.1, q25=-0.05, q50=0.0, q75=0.05, q95=0.1)
    prices = Quantiles(q05=90, q25=95, q50=100, q75=105, q95=110)
    found: dict[str, Any] = {"status": "no_band", "reason": reason}
    if reason is None:
        calibration = Calibration(method="rolling", q_hat_90=0.1, q_hat_50=0.1)
        found = {
            "status": "band", "returns": steps, "prices": prices, "sigma": 0.01, "calibration": calibration,
        }  # fmt: skip
    record = Band(
        symbol=symbol,
        horizon_bars=42,
        open_time=OPENED,
        issued_at=CLOSED,
        target_time=CLOSED + timedelta(days=7),
        ref_price=100.0,
        origin="live",
        bundle=bundle,
        **found,
    )
    client.xadd(Topics().bands(42), {"data": record.to_wire()})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "POLL_S", 0.01)


Wait = Callable[..., First]


@pytest.fixture
def wait(client: Any, settings: Settings) -> Wait:
    """Wait from here on; `then` is done while the others are waited for."""
    ends = stream_ends(client, settings)

    def run(*then: Callable[[], None], timeout_s: float = 30.0, since: dict[str, str] | None = None) -> First:
        left = list(then)

        def polled(_: float) -> None:
            if left:
                left.pop(0)()

        return wait_first_bands(client, settings, LABEL, since or ends, timeout_s, polled)

    return run


@pytest.mark.parametrize("reason", ["unknown_symbol", "warming_up", "gap", "no_context"])
def test_another_coin_without_a_band_that_comes_first_is_no_verdict(
    client: Any, wait: Wait, reason: NoBandReason
) -> None:
    say(client, "XRP", reason)
    first = wait(lambda: None, lambda: say(client, "BTC"))
    assert [one["symbol"] for one in first.bands] == ["BTC"]


def test_a_bundle_that_gives_no_band_is_at_fault(
    client: Any, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "OTHERS_S", 0.05)
    say(client, "BTC", "uncalibrated")
    assert wait(timeout_s=60.0) == First([], ["BTC T42: uncalibrated"], [])


def test_a_coin_that_must_warm_up_anew_is_a_fault_and_one_that_still_does_is_none(
    client: Any, settings: Settings, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "OTHERS_S", 0.05)
    say(client, "BTC", bundle=OLD)
    say(client, "NEW", "warming_up", OLD)
    since = stream_ends(client, settings)
    say(client, "NEW", "warming_up")
    assert wait(timeout_s=0.05, since=since) == First([], [], ["NEW T42: warming_up"])
    say(client, "BTC", "warming_up")
    found = wait(timeout_s=60.0, since=since)
    assert (found.bands, found.faults) == ([], ["BTC T42: warming_up"])


def test_the_old_bundle_s_bands_are_not_the_new_one_s(client: Any, wait: Wait) -> None:
    say(client, "BTC", bundle=OLD)
    assert wait(timeout_s=0.05) == First([], [], [])
