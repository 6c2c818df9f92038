"""The panels of the dashboard, row by row: title, unit, queries. Queries filter by `$instance`, `$symbol`."""

from __future__ import annotations

from ops.monitoring.feed_panels import FEED
from ops.monitoring.panel import Panel, Query, Row, one

AT = 'instance=~"$instance"'
S = f'{AT},symbol=~"$symbol"'


def _p95(metric: str) -> tuple[Query, ...]:
    by_bucket = f"sum by (le) (rate({metric}_bucket{{{AT}}}[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({q}, {by_bucket})", name)
        for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )


ROWS: tuple[Row, ...] = (
    Row(
        "Now",
        (
            one("Ready", "none", f"bands_ready{{{AT}}}", kind="stat", width=4, bad_below=1),
            one("Server", "none", f"bands_server_up{{{AT}}}", kind="stat", width=4, bad_below=1),
            one("Lease held", "none", f"bands_lease_held{{{AT}}}", kind="stat", width=4),
            one(
                "Age of the newest bar",
                "s",
                f"time() - (bands_newest_bar_close_seconds{{{AT}}} > 0)",
                kind="stat",
                width=4,
                bad_from=4.5 * 3600,
            ),
            one(
                "Champion",
                "none",
                f'bands_bundle_info{{{AT},role="champion"}}',
                "{{label}}",
                kind="stat",
                width=4,
            ),
            one("Retrainer ready", "none", "bands_retrain_ready", kind="stat", width=4),
            one("Feed ready", "none", "max(bands_feed_ready)", "feed", kind="stat", width=4, bad_below=1),
            one(
                "Firing alerts",
                "none",
                'count by (alertname) (ALERTS{alertstate="firing"})',
                "{{alertname}}",
                width=24,
            ),
        ),
    ),
    Row(
        "Flow",
        (
            Panel(
                "Waiting bars",
                "short",
                (
                    Query(f"bands_lag_entries{{{AT}}}", "not delivered {{instance}}"),
                    Query(f"bands_pending_entries{{{AT}}}", "not in effect {{instance}}"),
                ),
                "A close of 200 symbols is over in a second.",
            ),
            one(
                "Bars by origin",
                "short",
                f"sum by (origin) (increase(bands_bars_total{{{AT}}}[$__rate_interval]))",
                "{{origin}}",
            ),
            one(
                "Records",
                "short",
                f"sum by (status, reason) (increase(bands_records_total{{{AT}}}[$__rate_interval]))",
                "{{status}} {{reason}}",
                "A bar has a record for each horizon, a band or why there is none.",
            ),
            one(
                "Commit answers",
                "short",
                f"sum by (answer) (increase(bands_commits_total{{{AT}}}[$__rate_interval]))",
                "{{answer}}",
            ),
            one(
                "Dead letters",
                "short",
                f"sum by (reason) (increase(bands_dead_letters_total{{{AT}}}[$__rate_interval]))",
                "{{reason}}",
            ),
            one(
                "Degraded bands",
                "short",
                f"sum by (cause) (increase(bands_degraded_total{{{AT}}}[$__rate_interval]))",
                "{{cause}}",
            ),
            one(
                "Entries appended",
                "short",
                f"sum by (stream) (increase(bands_events_total{{{AT}}}[$__rate_interval]))",
                "{{stream}}",
            ),
            one(
                "Age of each symbol's newest bar",
                "s",
                f"time() - bands_symbol_newest_bar_close_seconds{{{S}}}",
                "{{symbol}}",
                bad_from=8.5 * 3600,
            ),
            one("Lease number", "short", f"bands_lease_epoch{{{AT}}}", about="It grows with each owner."),
        ),
    ),
    Row("Feed", FEED),
    Row(
        "Latency",
        (
            Panel("Step: bars at hand to commit", "s", _p95("bands_step_seconds"), width=12),
            Panel("End to end: bar's entry to its bands", "s", _p95("bands_end_to_end_seconds"), width=12),
        ),
    ),
    Row(
        "Quality",
        (
            one(
                "Coverage of the 90 % band, 90 days",
                "percentunit",
                f'bands_coverage{{{S},interval="90"}}',
                "{{symbol}} {{horizon}}",
                "About 13 independent outcomes a symbol at T42: a standard error of 8 points.",
            ),
            one(
                "Coverage of the 50 % band, 90 days",
                "percentunit",
                f'bands_coverage{{{S},interval="50"}}',
                "{{symbol}} {{horizon}}",
            ),
            one(
                "Outcomes at or below each quantile",
                "percentunit",
                f"avg by (quantile) (bands_outcomes_below{{{S}}})",
                "{{quantile}}",
            ),
            one("Winkler score, 90 %", "none", f"bands_winkler_90{{{S}}}", "{{symbol}} {{horizon}}"),
            one("Pinball loss", "none", f"bands_pinball{{{S}}}", "{{symbol}} {{horizon}}"),
            Panel(
                "Outcomes behind the scores",
                "short",
                (
                    Query(f"sum by (horizon) (bands_outcomes_resolved{{{S}}})", "{{horizon}} all"),
                    Query(f"sum by (horizon) (bands_outcomes_effective{{{S}}})", "{{horizon}} independent"),
                ),
            ),
        ),
    ),
    Row(
        "Drift",
        (
            one(
                "Nearness to an alarm",
                "percentunit",
                f"bands_drift_ratio{{{S}}}",
                "{{symbol}} {{channel}}",
                "Beyond 100 % is an alarm.",
                width=16,
                bad_from=1.0,
            ),
            one(
                "Findings",
                "short",
                f"sum by (symbol, channel) (increase(bands_drift_findings_total{{{S}}}[$__rate_interval]))",
                "{{symbol}} {{channel}}",
            ),
        ),
    ),
    Row(
        "Releases and retraining",
        (
            one(
                "Age of the newest training bar",
                "s",
                f"time() - bands_bundle_trained_until_seconds{{{AT}}}",
                "{{role}} {{instance}}",
                bad_from=100 * 86_400,
            ),
            one(
                "Looks at the registry",
                "short",
                f"sum by (result) (increase(bands_registry_polls_total{{{AT}}}[$__rate_interval]))",
                "{{result}}",
            ),
            one(
                "Time since the registry answered",
                "s",
                f"time() - (bands_registry_last_success_seconds{{{AT}}} > 0)",
            ),
            Panel(
                "Retraining",
                "percentunit",
                (
                    Query("bands_retrain_progress", "progress"),
                    Query("bands_retrain_running", "running"),
                    Query("bands_retrain_stage == 1", "{{stage}}"),
                ),
            ),
            Panel(
                "Requests",
                "short",
                (
                    Query("bands_retrain_waiting_entries", "waiting"),
                    Query("increase(bands_retrain_runs_total[$__rate_interval])", "{{stage}}"),
                    Query("increase(bands_retrain_resumes_total[$__rate_interval])", "resumed"),
                ),
            ),
            Panel(
                "Time since a challenger was registered, and since the start",
                "s",
                (
                    Query("time() - (bands_retrain_last_success_seconds != 0)", "challenger"),
                    Query("time() - bands_retrain_started_seconds", "start"),
                ),
            ),
            one(
                "Bars archived",
                "short",
                "increase(bands_retrain_archived_bars_total[$__rate_interval])",
                "archived",
            ),
        ),
    ),
    Row(
        "Process",
        (
            one("Memory", "bytes", f"bands_memory_bytes{{{AT}}}", bad_from=1e9),
            one("Processor", "percentunit", f"rate(process_cpu_seconds_total{{{AT}}}[$__rate_interval])"),
            Panel(
                "Reading",
                "short",
                (
                    Query(
                        f"increase(bands_reader_failures_total{{{AT}}}[$__rate_interval])",
                        "failed {{instance}}",
                    ),
                    Query(f"bands_reader_silence_seconds{{{AT}}}", "seconds since a read {{instance}}"),
                ),
            ),
            one("Time since the start", "s", f"time() - bands_started_seconds{{{AT}}}", width=12),
            one(
                "Release",
                "none",
                f"bands_worker_info{{{AT}}}",
                "{{version}} partition {{partition}}",
                width=12,
            ),
        ),
    ),
)
