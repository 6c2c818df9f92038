"""On which series the alerts on serving fire, and on which they stay silent."""

from __future__ import annotations

from ops.monitoring.case import Case, Series, W, of_worker

UP = f'up{{job="bands-worker",{W}}}'
INFO = f'bands_worker_info{{{W},partition="0"}}'
READY = f"bands_ready{{{W}}}"
FEED_UP, FEED_READY = 'up{job="bands-feed",instance="f"}', 'bands_feed_ready{job="bands-feed",instance="f"}'
STANDBY_UP = 'up{job="bands-feed",instance="g"}'
STANDBY_READY = 'bands_feed_ready{job="bands-feed",instance="g"}'


def _buckets(name: str, *counted: tuple[str, int]) -> Series:
    """A histogram that sees one observation a minute: by upper bound, whether it counts there."""
    return {of_worker(f"{name}_bucket", f'le="{bound}"'): f"0+{step}x30" for bound, step in counted}


SERVING_CASES: dict[str, Case] = {
    "BandsWorkerDown": Case(
        "5m", ({UP: "1 0x5"}, {'up{job="other"}': "1x5"}), ({UP: "1x5"}, {UP: "1 0 1x5"})
    ),
    "BandsWorkerNotReady": Case(
        "10m",
        ({READY: "0x10", INFO: "1x10"},),
        (
            {READY: "1x10", INFO: "1x10"},
            {
                READY: "0x10",
                INFO: "1x10",
                'bands_ready{instance="v"}': "1x10",
                'bands_worker_info{instance="v",partition="0"}': "1x10",
            },
            {READY: "1 0x3 1x10", INFO: "1x10"},
        ),
    ),
    "BandsServerUnreachable": Case(
        "5m", ({of_worker("bands_server_up"): "1 0x5"},), ({of_worker("bands_server_up"): "1 0 1x5"},)
    ),
    "BandsReaderFailing": Case(
        "10m",
        (
            {of_worker("bands_reader_failures_total"): "0+12x10"},
            {of_worker("bands_reader_silence_seconds"): "0+30x10"},
        ),
        (
            {
                of_worker("bands_reader_failures_total"): "0 5x10",
                of_worker("bands_reader_silence_seconds"): "1x10",
            },
            {
                of_worker("bands_reader_failures_total"): "0x10",
                of_worker("bands_reader_silence_seconds"): "0x10",
            },
        ),
    ),
    "BandsLagGrows": Case(
        "30m",
        ({of_worker("bands_lag_entries"): "1+5x30"}, {of_worker("bands_lag_entries"): "7x30"}),
        ({of_worker("bands_lag_entries"): "9000-100x30"}, {of_worker("bands_lag_entries"): "0 200 0x30"}),
    ),
    "BandsPendingStuck": Case(
        "30m",
        ({of_worker("bands_pending_entries"): "3x30"},),
        ({of_worker("bands_pending_entries"): "3x8 0 3x8 0 3x12"},),
    ),
    "BandsCommitsStale": Case(
        "30m",
        (
            {of_worker("bands_commits_total", 'answer="STALE"'): "0+1x30"},
            {
                of_worker("bands_commits_total", 'answer="STALE"'): "0 12x30",
                of_worker("bands_commits_total", 'answer="GAP"'): "0 12x30",
            },
        ),
        (
            {
                of_worker("bands_commits_total", 'answer="OK"'): "0+9x30",
                of_worker("bands_commits_total", 'answer="STALE"'): "0 2x30",
            },
        ),
    ),
    "BandsLeaseContested": Case(
        "30m",
        ({of_worker("bands_lease_epoch"): "1x9 2x9 0 3x5 4x9"},),
        ({of_worker("bands_lease_epoch"): "1x9 0x3 2x20"}, {of_worker("bands_lease_epoch"): "0x30"}),
    ),
    "BandsFeedDown": Case(
        "20m",
        (
            {FEED_UP: "1 0x20"},
            {FEED_UP: "1x20", FEED_READY: "1 0x20"},
            {FEED_UP: "1 0x20", FEED_READY: "1 stale _x20", STANDBY_UP: "1x20", STANDBY_READY: "0x20"},
        ),
        (
            {FEED_UP: "1x20", FEED_READY: "1x20"},
            {FEED_UP: "1x2 0x12 1x20", FEED_READY: "1x2 stale _x11 1x20"},
            {FEED_UP: "1x20", FEED_READY: "1x20", STANDBY_UP: "1x20", STANDBY_READY: "0x20"},
            {FEED_UP: "1 0x20", FEED_READY: "1 stale _x20", STANDBY_UP: "1x20", STANDBY_READY: "0 1x20"},
            {UP: "1x20"},
        ),
    ),
    "BandsFeedDead": Case(
        "5h",
        ({of_worker("bands_newest_bar_close_seconds"): "1x400"},),
        (
            {of_worker("bands_newest_bar_close_seconds"): "1x241 14400x200"},
            {of_worker("bands_newest_bar_close_seconds"): "0x400"},
        ),
    ),
    "BandsSymbolSilent": Case(
        "9h",
        (
            {
                of_worker("bands_symbol_newest_bar_close_seconds", 'symbol="A"'): "1x600",
                of_worker("bands_newest_bar_close_seconds"): "28800x600",
            },
        ),
        (
            {
                of_worker("bands_symbol_newest_bar_close_seconds", 'symbol="A"'): "14400x600",
                of_worker("bands_newest_bar_close_seconds"): "28800x600",
            },
            {
                of_worker("bands_symbol_newest_bar_close_seconds", 'symbol="A"'): "1x600",
                of_worker("bands_newest_bar_close_seconds"): "1x600",
            },
        ),
    ),
    "BandsNoBands": Case(
        "30m",
        (
            {
                of_worker("bands_bars_total", 'origin="live"'): "0 3x40",
                of_worker("bands_records_total", 'status="band",horizon="T42"'): "5x40",
                of_worker("bands_records_total", 'status="no_band",horizon="T42"'): "0 3x40",
            },
            {
                of_worker("bands_bars_total", 'origin="refused"'): "0 3x40",
                of_worker("bands_records_total", 'status="band",horizon="T42"'): "5x40",
            },
        ),
        (
            {
                of_worker("bands_bars_total", 'origin="live"'): "0 3x40",
                of_worker("bands_records_total", 'status="band",horizon="T42"'): "0 2x40",
            },
            {
                of_worker("bands_bars_total", 'origin="backfill"'): "0 90x40",
                of_worker("bands_records_total", 'status="band",horizon="T42"'): "0x40",
            },
        ),
    ),
    "BandsStepSlow": Case(
        "25m",
        (_buckets("bands_step_seconds", ("0.5", 0), ("1.0", 1), ("+Inf", 1)),),
        (_buckets("bands_step_seconds", ("0.25", 1), ("0.5", 1), ("+Inf", 1)), {}),
    ),
    "BandsLate": Case(
        "25m",
        (_buckets("bands_end_to_end_seconds", ("5.0", 0), ("10.0", 1), ("+Inf", 1)),),
        (_buckets("bands_end_to_end_seconds", ("2.5", 1), ("5.0", 1), ("+Inf", 1)), {}),
    ),
    "BandsMemoryHigh": Case(
        "30m",
        ({of_worker("bands_memory_bytes"): "1.1e9x30"},),
        ({of_worker("bands_memory_bytes"): "1.2e8x30"},),
    ),
}
