"""On which series the alerts on quality fire, and on which they stay silent."""

from __future__ import annotations

from ops.monitoring.case import Case, Series, of_worker


def _scores(coverage: float, effective: float, symbols: int) -> Series:
    told: Series = {}
    for n in range(symbols):
        pair = f'symbol="S{n}",horizon="T42"'
        told[of_worker("bands_coverage", pair + ',interval="90"')] = f"{coverage}+0x1600"
        told[of_worker("bands_outcomes_resolved", pair)] = "540+0x1600"
        told[of_worker("bands_outcomes_effective", pair)] = f"{effective}+0x1600"
    return told


QUALITY_CASES: dict[str, Case] = {
    "BandsCoverageOff": Case(
        "25h",
        (_scores(0.86, 12.9, 8), _scores(0.95, 12.9, 8)),
        (_scores(0.9, 12.9, 8), _scores(0.86, 12.9, 7)),
    ),
    "BandsCoverageBroken": Case(
        "9h",
        (_scores(0.7, 12.9, 1), _scores(0.7, 12.9, 9)),
        (_scores(0.75, 12.9, 1), _scores(0.3, 4.0, 1)),
    ),
    "BandsDriftFound": Case(
        "30m",
        ({of_worker("bands_drift_findings_total", 'symbol="A",channel="width"'): "0x9 1x30"},),
        ({of_worker("bands_drift_findings_total", 'symbol="A",channel="width"'): "1x40"},),
    ),
    "BandsDriftNear": Case(
        "9h",
        ({of_worker("bands_drift_ratio", 'symbol="A",channel="width"'): "0.85x600"},),
        (
            {of_worker("bands_drift_ratio", 'symbol="A",channel="width"'): "0.85x240 0.5x240 0.9x100"},
            {of_worker("bands_drift_ratio", 'symbol="A",channel="pit"'): "0.9x600"},
        ),
    ),
    "BandsDeadLetters": Case(
        "60m",
        ({of_worker("bands_dead_letters_total", 'reason="late"'): "0+1x60"},),
        (
            {
                of_worker("bands_dead_letters_total", 'reason="late"'): "0 6x60",
                of_worker("bands_dead_letters_total", 'reason="conflict"'): "0 6x60",
            },
        ),
    ),
    "BandsEngineFailed": Case(
        "10m",
        ({of_worker("bands_dead_letters_total", 'reason="failed"'): "0x3 1x30"},),
        ({of_worker("bands_dead_letters_total", 'reason="late"'): "0x3 1x30"},),
    ),
    "BandsBundleOld": Case(
        "2h",
        ({of_worker("bands_bundle_trained_until_seconds", 'role="champion"'): "-8700000x200"},),
        (
            {of_worker("bands_bundle_trained_until_seconds", 'role="champion"'): "-8000000x200"},
            {of_worker("bands_bundle_trained_until_seconds", 'role="challenger"'): "-8700000x200"},
        ),
    ),
    "BandsRegistryUnreachable": Case(
        "60m",
        (
            {
                of_worker("bands_registry_polls_total", 'result="ok"'): "5x60",
                of_worker("bands_registry_polls_total", 'result="failed"'): "0+1x60",
            },
        ),
        (
            {
                of_worker("bands_registry_polls_total", 'result="ok"'): "0+1x60",
                of_worker("bands_registry_polls_total", 'result="failed"'): "0+1x60",
            },
            {
                of_worker("bands_registry_polls_total", 'result="ok"'): "0x60",
                of_worker("bands_registry_polls_total", 'result="failed"'): "0x60",
            },
        ),
    ),
    "BandsSwapRefused": Case(
        "20m",
        ({of_worker("bands_registry_polls_total", 'result="refused"'): "0+1x30"},),
        ({of_worker("bands_registry_polls_total", 'result="refused"'): "3x30"},),
    ),
    "BandsTwoChampions": Case(
        "30m",
        (
            {
                of_worker("bands_bundle_info", 'label="1",role="champion"'): "1x30",
                'bands_bundle_info{instance="v",label="2",role="champion"}': "1x30",
            },
        ),
        (
            {
                of_worker("bands_bundle_info", 'label="1",role="champion"'): "1x30",
                of_worker("bands_bundle_info", 'label="2",role="challenger"'): "1x30",
                'bands_bundle_info{instance="v",label="1",role="champion"}': "1x30",
            },
        ),
    ),
    "BandsRetrainerNotReady": Case(
        "30m",
        (
            {'up{job="bands-retrainer",instance="r"}': "0x30"},
            {'bands_retrain_ready{job="bands-retrainer",instance="r"}': "0x30"},
        ),
        (
            {
                'up{job="bands-retrainer",instance="r"}': "1x30",
                'bands_retrain_ready{job="bands-retrainer",instance="r"}': "1x30",
                'bands_retrain_ready{job="bands-retrainer",instance="standby"}': "0x30",
            },
        ),
    ),
    "BandsRetrainFailed": Case(
        "30m",
        ({'bands_retrain_runs_total{stage="failed"}': "0x9 1x30"},),
        ({'bands_retrain_runs_total{stage="registered"}': "0x9 1x30"},),
    ),
    "BandsRetrainOverdue": Case(
        "2h",
        (
            {'bands_retrain_last_success_seconds{job="bands-retrainer"}': "-3500000x200"},
            {
                'bands_retrain_last_success_seconds{job="bands-retrainer"}': "0x200",
                'bands_retrain_started_seconds{job="bands-retrainer"}': "-3500000x200",
            },
        ),
        (
            {
                'bands_retrain_last_success_seconds{job="bands-retrainer"}': "-3000000x200",
                'bands_retrain_started_seconds{job="bands-retrainer"}': "-3500000x200",
            },
            {
                'bands_retrain_last_success_seconds{job="bands-retrainer"}': "0x200",
                'bands_retrain_started_seconds{job="bands-retrainer"}': "-100x200",
            },
        ),
    ),
}
