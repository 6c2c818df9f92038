"""The bundle: what it is, what its models split on, how it is calibrated, and how fast it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline.report.document import Block, Bullets, Figure, Paragraph, Section, Table
from offline.report.evidence import Evidence
from offline.report.figures import importance_figure
from offline.report.importance import importance_of
from offline.report.sources import same_bundle
from offline.report.text import NOTHING, listed, number, percent


def bundle_section(evidence: Evidence) -> Section:
    """Identity, training data, and feature importance of the bundle."""
    bundle = evidence.bundle
    if bundle is None:
        return Section(
            "The bundle", [Paragraph("Not given: the bundle's folder (option --bundle).", notice=True)]
        )
    manifest = bundle.manifest
    agree = evidence.settings_agree
    same_bars = {
        symbol: evidence.results.bars[symbol].sha256 == told.sha256
        for symbol, told in manifest.training.items()
        if symbol in evidence.results.bars
    }
    differ = sorted(symbol for symbol, same in same_bars.items() if not same)
    items = [
        f"Version {bundle.label}; symbols {listed(list(manifest.symbols))}; leader "
        f"{manifest.features.leader or 'none'}; {len(manifest.features.names)} features.",
        "Trained with the settings, symbols and leader of this walk-forward."
        if agree
        else "Trained otherwise than this walk-forward: settings, symbols or leader differ.",
        f"Trained on other bars than were validated (a later or earlier cut): {listed(differ)}."
        if differ
        else "Trained on the very bars that were validated.",
    ]
    shares = importance_of(manifest, bundle.files)
    blocks: list[Block] = [
        Bullets(items),
        Table(
            "Blend per horizon",
            ["horizon", "weight of the learned quantiles", "median shrunk by", "calibrator"],
            [
                [f"T{h.horizon_bars}", percent(h.weight, 0), percent(h.median_shrink, 0), h.calibrator]
                for h in manifest.heads
            ],
            "lrrl",
            f"{bundle.source.tag} heads",
            "The rest of the weight is on empirical quantiles of the scaled returns.",
        ),
    ]
    if any(share.any() for share in shares.values()):
        blocks.append(
            Figure(
                "importance",
                "Feature importance: share of the gain, the 20 largest",
                importance_figure(shares, manifest.features.names),
                f"Models of {bundle.source.tag}. Gain tells what the learned correction splits on, not what "
                "moves the price.",
            )
        )
    else:
        blocks.append(Paragraph("The models have no split: there is no importance to tell.", notice=True))
    return Section("The bundle", blocks)


def calibration_section(evidence: Evidence) -> Section:
    """What `calibration_optimal.json` says, per horizon."""
    told = evidence.calibration
    if told is None:
        return Section(
            "Calibration",
            [Paragraph("Not given: calibration_optimal.json (option --calibration).", notice=True)],
        )
    horizons = told.data.get("horizons")
    chosen = horizons if isinstance(horizons, Mapping) else told.data
    rows = [[str(name), _flat(one)] for name, one in chosen.items() if isinstance(one, Mapping)]
    table = Table("Chosen per horizon", ["horizon", "what it says"], rows, "ll", told.source.tag)
    return Section("Calibration", [table])


def inference_section(evidence: Evidence) -> Section:
    """Latency, throughput and memory as `bands bench inference` measured them."""
    told = evidence.inference
    title = "Speed and memory"
    if told is None:
        return Section(
            title,
            [
                Paragraph(
                    "Not given: inference.json of bands bench inference (option --inference).", notice=True
                )
            ],
        )
    data = told.data
    blocks: list[Block] = []
    if same_bundle(data, evidence.bundle.sha256 if evidence.bundle else None) is False:
        blocks.append(Paragraph("Measured on another bundle than the one given.", notice=True))
    times = [*data.get("horizons", {}).items(), ("all four", data.get("all_horizons", {}))]
    keys = ("mean_ms", "p50_ms", "p95_ms", "p99_ms")
    speed, packed = data.get("predictions_per_s", {}), data.get("packed_vs_booster", {})
    blocks += [
        Table(
            "One row to its calibrated bands, milliseconds",
            ["horizon", "mean", "median", "p95", "p99"],
            [[name, *(number(one.get(key), 3) for key in keys)] for name, one in times],
            "lrrrr",
            f"{told.source.tag} horizons",
            "Measured on one machine at one time; targets are 1 s (ideally 500 ms) and 2 GB.",
        ),
        Bullets(
            [
                f"Rows a second: {_count(speed.get('single'))} one at a time, {_count(speed.get('batch'))} "
                "in one call.",
                f"Memory of a process that serves the bundle: {number(data.get('memory_mb'), 0)} MB.",
                f"Packed forest against 20 LightGBM boosters: {number(packed.get('numpy_times_faster'), 1)} "
                f"times faster in numpy, {number(packed.get('numba_times_faster'), 1)} with numba; the "
                f"same bits: {'yes' if packed.get('identical') else 'no'}.",
            ]
        ),
    ]
    return Section(title, blocks)


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else NOTHING


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(one)}" for key, one in value.items() if not isinstance(one, list))
    return f"{value:.5g}" if isinstance(value, float) else NOTHING if value is None else str(value)
