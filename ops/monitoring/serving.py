"""Alerts on serving: the worker lives, owns its partition, and every bar becomes bands in time."""

from __future__ import annotations

from ops.monitoring.alert import Alert

WORKER = 'job="bands-worker"'
FEED = 'job="bands-feed"'

SERVING = (
    Alert(
        "BandsWorkerDown",
        "page",
        f"up{{{WORKER}}} == 0 or absent(up{{{WORKER}}})",
        "1m",
        "A worker does not answer",
        "Nothing serves {{ $labels.instance }}: its bars wait on the stream and no bands are published.",
        "A restart takes 5 s with its bundle at hand; four scrapes of 15 s missed are no restart.",
    ),
    Alert(
        "BandsWorkerNotReady",
        "page",
        "max by (partition) (bands_ready * on (instance) group_left (partition) bands_worker_info) == 0",
        "5m",
        "No worker of partition {{ $labels.partition }} is ready",
        "Its workers answer but serve no bands; /ready of each says why. A standby beside a ready owner is "
        "well.",
        "A cold start with a registry takes 5 s here, a slow disk ten times that, a backlog of a week "
        "seconds.",
    ),
    Alert(
        "BandsServerUnreachable",
        "page",
        "bands_server_up == 0",
        "2m",
        "The worker does not reach the stream server",
        "{{ $labels.instance }} can not sweep its stream; bars and bands wait until the server is back.",
        "A failover takes well under a minute; every sweep (5 s) tries again.",
    ),
    Alert(
        "BandsReaderFailing",
        "page",
        "increase(bands_reader_failures_total[5m]) > 10 or bands_reader_silence_seconds > 60",
        "2m",
        "Reading bars fails",
        "{{ $labels.instance }} can not read its bars stream; its log says what the server answers.",
        "A failing reader tries every 5 s at the longest: 60 times in 5 minutes. A healthy one returns each "
        "second, a server that restarts costs fewer than ten reads.",
    ),
    Alert(
        "BandsLagGrows",
        "page",
        "min_over_time(bands_lag_entries[10m]) > 0 and delta(bands_lag_entries[10m]) >= 0",
        "5m",
        "Bars wait and are not becoming fewer",
        "{{ $value }} bars of {{ $labels.instance }} have not been delivered, no fewer than ten minutes ago.",
        "A worker takes some 600 bars a second: the close of 200 symbols is over in a second, a year of one "
        "symbol in four. A backlog that has not shrunk in ten minutes is not being worked off.",
    ),
    Alert(
        "BandsPendingStuck",
        "page",
        "min_over_time(bands_pending_entries[10m]) > 0",
        "5m",
        "Delivered bars do not come into effect",
        "{{ $value }} bars of {{ $labels.instance }} were delivered and are not committed.",
        "Every sweep (5 s) drains what is pending: after 120 sweeps something refuses it.",
    ),
    Alert(
        "BandsCommitsStale",
        "ticket",
        'sum by (instance) (increase(bands_commits_total{answer=~"STALE|GAP"}[30m])) > 20',
        "0m",
        "Commits keep being refused as stale",
        "{{ $labels.instance }} had {{ $value | humanize }} commits refused in 30 minutes: somebody else "
        "writes "
        "its cursor, or reads under its group.",
        "An honest race settles in two attempts, a lost reply in one, and a restart of the server adds one "
        "or "
        "two: 20 in half an hour are no accident.",
    ),
    Alert(
        "BandsLeaseContested",
        "page",
        "changes((bands_lease_epoch > 0)[30m:1m]) >= 3",
        "0m",
        "A partition changes its owner again and again",
        "The lease of {{ $labels.instance }} was taken {{ $value }} times more in 30 minutes: two workers "
        "fence "
        "each other, or one dies and is started anew.",
        "A deployment takes the lease once, a take-over and its return twice.",
    ),
    Alert(
        "BandsFeedDown",
        "page",
        f"max by (job) (up{{{FEED}}}) == 0 or max by (job) (bands_feed_ready{{{FEED}}}) == 0",
        "15m",
        "No feed is at work",
        "No feed answers, or none is ready: unless one comes back, the next close brings no bars. /ready "
        "says why.",
        "A start, a restart and the taking of the lease are over in a minute; an exchange that refuses is "
        "asked again for minutes. A standby is not ready beside one that is, and without a feed among the "
        "targets nothing is asked. A close follows within 4 h: a quarter of one hour leaves time to act.",
    ),
    Alert(
        "BandsFeedDead",
        "page",
        "time() - (bands_newest_bar_close_seconds > 0) > 4.5 * 3600",
        "5m",
        "No bar has arrived since the last close",
        "The newest bar of {{ $labels.instance }} closed {{ $value | humanizeDuration }} ago: the feed is "
        "silent.",
        "Bars close every 4 h and a feed delivers within a minute: half an hour late is lost or broken.",
    ),
    Alert(
        "BandsSymbolSilent",
        "ticket",
        "time() - bands_symbol_newest_bar_close_seconds > 8.5 * 3600 "
        "unless on (instance) time() - (bands_newest_bar_close_seconds > 0) > 4.5 * 3600",
        "5m",
        "{{ $labels.symbol }} has no bars while others have",
        "The newest bar of {{ $labels.symbol }} closed {{ $value | humanizeDuration }} ago: two closes "
        "were missed.",
        "One missed bar is bridged and marked; the second in a row says the market, or its feed, is gone.",
    ),
    Alert(
        "BandsNoBands",
        "page",
        'sum by (instance) (increase(bands_bars_total{origin=~"live|replay|refused"}[9h])) > 0 '
        'unless on (instance) sum by (instance) (increase(bands_records_total{status="band"}[9h])) > 0',
        "15m",
        "Bars arrive and no band is published",
        "{{ $labels.instance }} took {{ $value | humanize }} entries in 9 hours and answered none with a "
        "band.",
        "Nine hours hold two closes. The reasons are in bands_records_total and bands_dead_letters_total.",
    ),
    Alert(
        "BandsStepSlow",
        "ticket",
        "histogram_quantile(0.95, sum by (instance, le) (increase(bands_step_seconds_bucket[5h]))) > 0.5",
        "0m",
        "Steps are slow",
        "The 95th percentile of a step on {{ $labels.instance }} is {{ $value | humanizeDuration }}.",
        "The goal is 500 ms for a prediction and 1 s the limit; one bar takes 2 to 4 ms here, a run of 100 "
        "about "
        "0.2 s. Five hours hold at least one close.",
    ),
    Alert(
        "BandsLate",
        "ticket",
        "histogram_quantile(0.95, sum by (instance, le) (increase(bands_end_to_end_seconds_bucket[5h]))) > 5",
        "0m",
        "Bands come late",
        "From a bar's entry to its bands {{ $labels.instance }} takes {{ $value | humanizeDuration }} (p95).",
        "500 symbols at one close are done within a second; five say that bars have waited.",
    ),
    Alert(
        "BandsMemoryHigh",
        "ticket",
        "bands_memory_bytes > 1e9",
        "15m",
        "A worker grows",
        "{{ $labels.instance }} holds {{ $value | humanize1024 }}B.",
        "A worker of a few symbols needs 100 MB; the production gate allows 2 GB: half of that leaves "
        "time to look.",
    ),
)
