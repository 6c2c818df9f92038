"""Alerts on what is served: coverage, drift, refused input, bundles, the registry and retraining."""

from __future__ import annotations

from ops.monitoring.alert import Alert

_POOLED = (
    'sum by (horizon) (bands_coverage{interval="90"} * on (instance, symbol, horizon) '
    "bands_outcomes_resolved) "
    "/ sum by (horizon) (bands_outcomes_resolved)"
)
_OVERLAP = "0.9 - 2 * sqrt(0.09 / max by (horizon) (bands_outcomes_effective))"

QUALITY = (
    Alert(
        "BandsCoverageOff",
        "ticket",
        f"({_POOLED} < 0.87 or {_POOLED} > 0.93) "
        "and on (horizon) sum by (horizon) (bands_outcomes_effective) >= 100",
        "1d",
        "Coverage of {{ $labels.horizon }} is outside 87 to 93 %",
        "The 90 % bands of {{ $labels.horizon }} held {{ $value | humanizePercentage }} of the outcomes of "
        "90 "
        "days, over all symbols.",
        "87 to 93 % is the production gate. From 100 independent outcomes (eight symbols) three points are "
        "one "
        "standard error, were the symbols independent; as they move together this is a reason to look, no "
        "proof.",
    ),
    Alert(
        "BandsCoverageBroken",
        "page",
        f"{_POOLED} < on (horizon) ({_OVERLAP}) "
        "and on (horizon) max by (horizon) (bands_outcomes_effective) >= 5",
        "8h",
        "The 90 % bands of {{ $labels.horizon }} miss far too often",
        "They held {{ $value | humanizePercentage }} of the outcomes of 90 days, over all symbols.",
        "Two standard errors below 90 % even were all symbols one: at T42's 13 independent outcomes in 90 "
        "days "
        "below 73 %. Fewer than five say nothing.",
    ),
    Alert(
        "BandsDriftFound",
        "ticket",
        "sum by (symbol, channel) (increase(bands_drift_findings_total[4h])) > 0",
        "0m",
        "Drift of {{ $labels.symbol }} in channel {{ $labels.channel }}",
        "The evidence is on alerts.drift and in `bands status`; width and coverage have asked for a "
        "retraining.",
        "The thresholds are the bundle's: one false alarm a symbol and year over all channels.",
    ),
    Alert(
        "BandsDriftNear",
        "ticket",
        'bands_drift_ratio{channel=~"width|coverage"} > 0.8',
        "8h",
        "{{ $labels.symbol }} is near a drift alarm in channel {{ $labels.channel }}",
        "Its statistic stands at {{ $value | humanizePercentage }} of the alarm's threshold.",
        "The statistic of a true break grows steadily and is found after 8 to 15 days: 80 % is some two days "
        "before. Two bars in a row, since it may fall again.",
    ),
    Alert(
        "BandsDeadLetters",
        "ticket",
        "sum by (instance, reason) (increase(bands_dead_letters_total[6h])) > 10",
        "0m",
        "Input is refused as {{ $labels.reason }}",
        "{{ $labels.instance }} refused {{ $value | humanize }} entries in 6 hours; bars.dead has each "
        "with why.",
        "A good feed sends none and a venue revises a bar now and then; ten in two closes are a broken feed.",
    ),
    Alert(
        "BandsEngineFailed",
        "page",
        'increase(bands_dead_letters_total{reason="failed"}[1h]) > 0',
        "0m",
        "The engine failed on a bar",
        "A bar of {{ $labels.instance }} could not be answered for a fault of ours; it is in bars.dead.",
        "It must never happen.",
    ),
    Alert(
        "BandsBundleOld",
        "ticket",
        'time() - bands_bundle_trained_until_seconds{role="champion"} > 100 * 86400',
        "1h",
        "The champion is old",
        "{{ $labels.instance }} serves a bundle whose newest training bar is {{ $value | humanizeDuration "
        "}} old.",
        "Retraining is monthly: three in a row (93 days) and a week did not lead to a new champion.",
    ),
    Alert(
        "BandsRegistryUnreachable",
        "ticket",
        'increase(bands_registry_polls_total{result="failed"}[15m]) > 0 '
        'and ignoring (result) increase(bands_registry_polls_total{result="ok"}[15m]) == 0',
        "15m",
        "The registry does not answer",
        "{{ $labels.instance }} serves on from its local copy, but a promotion or a rollback does not "
        "reach it.",
        "A worker looks every minute: 15 looks in a row failed, and a quarter of an hour more.",
    ),
    Alert(
        "BandsSwapRefused",
        "page",
        'increase(bands_registry_polls_total{result="refused"}[15m]) > 0',
        "5m",
        "A released bundle is not served",
        "{{ $labels.instance }} can not go on with what the aliases point at and serves the old one.",
        "A look a minute: it was refused more than once.",
    ),
    Alert(
        "BandsTwoChampions",
        "page",
        'count(count by (label) (bands_bundle_info{role="champion"})) > 1',
        "15m",
        "Partitions serve different champions",
        "{{ $value }} bundles are champion at once: some workers have not followed the last release.",
        "Every worker looks at the alias once a minute and swaps within seconds.",
    ),
    Alert(
        "BandsRetrainerNotReady",
        "ticket",
        'up{job="bands-retrainer"} == 0 or max by (job) (bands_retrain_ready) == 0',
        "15m",
        "No retrainer serves requests",
        "Requests from drift or the schedule wait until one does.",
        "A retraining takes an hour: a quarter more does not matter, a night does.",
    ),
    Alert(
        "BandsRetrainFailed",
        "ticket",
        'increase(bands_retrain_runs_total{stage="failed"}[1h]) > 0',
        "0m",
        "A retraining failed",
        "It ended without a challenger, by a fault or at the gates; retrain.status says which.",
        "One is enough: the next is asked for in a week at the earliest.",
    ),
    Alert(
        "BandsRetrainOverdue",
        "ticket",
        "max by (job) (time() - (bands_retrain_last_success_seconds != 0)) > 40 * 86400 "
        "or max by (job) ((time() - bands_retrain_started_seconds > 40 * 86400) "
        "and (bands_retrain_last_success_seconds == 0))",
        "1h",
        "No retraining has succeeded for 40 days",
        "The last challenger was registered {{ $value | humanizeDuration }} ago, or none since the start.",
        "The schedule asks monthly: 31 days, a cooldown of 7 and two to run and to judge.",
    ),
)
