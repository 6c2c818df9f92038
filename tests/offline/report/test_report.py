"""The report as its readers meet it: complete, honest about what is missing, and the same every time."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from contracts.errors import BadInputError
from contracts.model.bundle import load_bundle
from contracts.model.grid import LEVEL_NAMES
from offline.report import HTML, MARKDOWN, Given, write_report
from tests.offline.report.conftest import Inputs

pytestmark = pytest.mark.xdist_group("report")

ALWAYS = {"reliability", "pit", "windows", "coverage", "fan"}
ESTIMATE = {"value": 0.97, "low": 0.95, "high": 0.99, "level": 0.9, "n": 9, "n_effective": 9, "reason": None}


def page(folder: Path) -> str:
    """The page without the library that draws its figures."""
    whole = (folder / HTML).read_text()
    assert whole.count(get_plotlyjs()) == 1
    return whole.replace(get_plotlyjs(), "")


def altered(inputs: Inputs, **changes: Any) -> Path:
    """A copy of the walk-forward with other values in results.json."""
    folder = inputs.loose / "altered"
    shutil.copytree(inputs.results, folder)
    told = json.loads((folder / "results.json").read_text()) | changes
    (folder / "results.json").write_text(json.dumps(told))
    return folder


def changed_bands(inputs: Inputs, change: Any) -> Path:
    folder = inputs.loose / "bands"
    shutil.copytree(inputs.results, folder)
    file = folder / "predictions.parquet"
    frame = pd.read_parquet(file)
    change(frame)
    frame.to_parquet(file, index=False)
    return folder


def gates(inputs: Inputs, sha256: str, *, go: bool = True, **check: Any) -> Path:
    checks = [{"name": "coverage 90", "status": "pass" if go else "fail", "detail": "89.9 %"}]
    checks[0] |= {"horizon": "T42", "source": "results.json", **check}
    gate = {"name": "out-of-sample", "status": "pass" if go else "fail", "checks": checks}
    told = {"schema": "quality-gates/1", "bundle_sha256": sha256, "go": go, "gates": [gate], "kpis": []}
    return inputs.json("gates.json", told)


def test_the_whole_report_is_written_twice_to_the_same_bytes(inputs: Inputs) -> None:
    first = write_report(inputs.given, inputs.loose / "one")
    second = write_report(inputs.given, inputs.loose / "two")
    assert set(first.figures) == ALWAYS | {"search", "importance"}
    for name in (MARKDOWN, HTML):
        assert (inputs.loose / "one" / name).read_bytes() == (inputs.loose / "two" / name).read_bytes()
    assert first.html_bytes == (inputs.loose / "one" / HTML).stat().st_size
    assert second.verdict == "NOT DECIDED"


def test_the_page_has_every_figure_and_asks_for_nothing_from_outside(inputs: Inputs) -> None:
    written = write_report(inputs.given, inputs.loose / "out")
    text = page(inputs.loose / "out")
    for name in written.figures:
        assert text.count(f'<div id="figure-{name}"') == 1
        assert f'"figure-{name}"' in text.split("Plotly.newPlot", 1)[1]
    assert re.search(r"https?://", text) is None
    assert re.search(r"<(link|img|iframe|script)[^>]*(src|href)=", text) is None
    assert "default-src 'none'" in text


def test_numbers_are_those_of_the_files_and_cite_them(inputs: Inputs) -> None:
    write_report(inputs.given, inputs.loose)
    text = (inputs.loose / MARKDOWN).read_text()
    told = json.loads((inputs.results / "results.json").read_text())
    pooled = told["overall"]["T42"]["pooled"]["coverage_90"]["value"]
    assert f"| T42 | pooled | {told['overall']['T42']['pooled']['coverage_90']['n']:,} |" in text
    assert f"{100 * pooled:.1f} %" in text
    for file in (inputs.results / "results.json", inputs.results / "predictions.parquet"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in text
    assert load_bundle(inputs.bundle, accelerate=False).sha256 in text
    tables = re.findall(r"^\*\*[^*]+\*\* \(([^)]*)\)", text, flags=re.MULTILINE)
    assert len(tables) > 10
    assert all(re.search(r"\bS\d|this report", cited) for cited in tables)


def test_the_years_and_cells_add_up(inputs: Inputs) -> None:
    write_report(inputs.given, inputs.loose)
    frame = pd.read_parquet(inputs.results / "predictions.parquet")
    mine = frame[(frame["horizon_bars"] == 42) & frame["return"].notna()]
    year = mine[mine["issued_at"].dt.year == 2020]
    hit = (year["q05"] <= year["return"]) & (year["return"] <= year["q95"])
    covered = hit.groupby(year["symbol"]).mean().mean()
    row = next(
        line
        for line in (inputs.loose / MARKDOWN).read_text().splitlines()
        if line.startswith("| T42 | 2020 |")
    )
    assert f"| {100 * covered:.1f} % |" in row


def test_what_is_not_given_is_told(inputs: Inputs) -> None:
    written = write_report(Given(inputs.results), inputs.loose)
    text = (inputs.loose / MARKDOWN).read_text()
    assert written.verdict == "NOT DECIDED"
    assert set(written.figures) == ALWAYS
    for option in ("hpo", "bundle", "gates", "calibration", "inference", "forecast"):
        assert f"--{option})" in text
    assert "Not given" in page(inputs.loose)


def test_the_gates_decide(inputs: Inputs) -> None:
    sha256 = load_bundle(inputs.bundle, accelerate=False).sha256
    go = write_report(replace(inputs.given, gates=gates(inputs, sha256)), inputs.loose)
    assert go.verdict == "GO"
    no_go = write_report(replace(inputs.given, gates=gates(inputs, sha256, go=False)), inputs.loose)
    assert no_go.verdict == "NO-GO"
    assert "out-of-sample (fail)" in no_go.because
    assert (
        "| out-of-sample | coverage 90 | T42 | fail | 89.9 % | results.json |"
        in (inputs.loose / MARKDOWN).read_text()
    )
    other = write_report(replace(inputs.given, gates=gates(inputs, "0" * 64)), inputs.loose)
    assert other.verdict == "NOT DECIDED"
    assert "another bundle" in other.because
    told = json.loads(gates(inputs, sha256).read_text())
    told["evidence"] = {"results": {"file": "results.json", "sha256": "0" * 64}}
    forged = write_report(replace(inputs.given, gates=inputs.json("forged.json", told)), inputs.loose)
    assert forged.verdict == "NOT DECIDED"
    assert "another results.json" in forged.because


def test_results_of_other_settings_decide_nothing(inputs: Inputs) -> None:
    told = json.loads((inputs.results / "results.json").read_text())["settings"]
    results = altered(inputs, settings={**told, "train": {"another": "model"}})
    sha256 = load_bundle(inputs.bundle, accelerate=False).sha256
    given = replace(inputs.given, results=results, gates=gates(inputs, sha256))
    written = write_report(given, inputs.loose)
    assert written.verdict == "NOT DECIDED"
    assert "not trained as the walk-forward was" in written.because


def test_coverage_outside_the_range_is_a_risk_that_has_come(inputs: Inputs) -> None:
    def narrow(frame: pd.DataFrame) -> None:
        frame[list(LEVEL_NAMES)] *= 0.5

    folder = changed_bands(inputs, narrow)
    with pytest.raises(BadInputError, match="not of one run"):
        write_report(Given(folder), inputs.loose)
    frame = pd.read_parquet(folder / "predictions.parquet")
    told = json.loads((folder / "results.json").read_text())
    for horizon in (42, 60):
        mine = frame[(frame["horizon_bars"] == horizon) & frame["return"].notna()]
        hit = (mine["q05"] <= mine["return"]) & (mine["return"] <= mine["q95"])
        told["overall"][f"T{horizon}"]["pooled"]["coverage_90"]["value"] = (
            hit.groupby(mine["symbol"]).mean().mean()
        )
    (folder / "results.json").write_text(json.dumps(told))
    written = write_report(Given(folder), inputs.loose)
    assert "sign-off is not allowed" in written.because
    assert re.search(
        r"^- Key figures below .*coverage 90", (inputs.loose / MARKDOWN).read_text(), re.MULTILINE
    )
    row = next(
        line
        for line in (inputs.loose / MARKDOWN).read_text().splitlines()
        if line.startswith("| coverage outside")
    )
    assert row.endswith("| seen |")


def test_bands_without_an_end_are_gaps_and_counted(inputs: Inputs) -> None:
    def cut(frame: pd.DataFrame) -> None:
        unlabelled = frame.index[frame["return"].isna()]
        frame.loc[unlabelled[::2], list(LEVEL_NAMES)] = np.nan

    write_report(Given(changed_bands(inputs, cut)), inputs.loose)
    assert "NaN" not in page(inputs.loose)
    frame = pd.read_parquet(inputs.results / "predictions.parquet")
    mine = frame[frame["horizon_bars"] == 42]
    told = f"T42 {int(mine['return'].isna().sum()):,} of {len(mine):,}"
    assert told in (inputs.loose / MARKDOWN).read_text()


def test_no_outcome_at_all_is_still_a_report(inputs: Inputs) -> None:
    def unlabelled(frame: pd.DataFrame) -> None:
        frame["return"] = np.nan

    folder = changed_bands(inputs, unlabelled)
    told = json.loads((folder / "results.json").read_text())
    nothing = {"value": None, "low": None, "high": None, "level": None, "n": 0, "n_effective": 0}
    for scopes in told["overall"].values():
        for scores in scopes.values():
            scores.update(dict.fromkeys(scores, nothing | {"reason": "no band with an outcome"}))
    (folder / "results.json").write_text(json.dumps(told))
    written = write_report(Given(folder), inputs.loose)
    assert written.figures == []
    assert "No band has an outcome yet" in page(inputs.loose)


def test_names_from_files_can_not_run_or_format(inputs: Inputs) -> None:
    evil = "<script>alert(1)</script>|[x](http://x)"
    sha256 = load_bundle(inputs.bundle, accelerate=False).sha256
    given = replace(inputs.given, gates=gates(inputs, sha256, detail=evil))

    def rename(frame: pd.DataFrame) -> None:
        frame["symbol"] = frame["symbol"].replace({"AAA": evil})

    folder = changed_bands(inputs, rename)
    write_report(replace(given, results=folder, bundle=None), inputs.loose)
    text = page(inputs.loose)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    markdown = (inputs.loose / MARKDOWN).read_text()
    assert "<script>" not in markdown.replace(r"\<script\>", "")
    assert "[x](" not in markdown


def test_the_other_files_are_read(inputs: Inputs) -> None:
    sha256 = load_bundle(inputs.bundle, accelerate=False).sha256
    times = {"mean_ms": 0.2, "p50_ms": 0.1, "p95_ms": 0.3, "p99_ms": 0.4}
    inference = {
        "schema": "inference/1",
        "bundle_sha256": sha256,
        "horizons": {"T42": times},
        "all_horizons": times,
        "predictions_per_s": {"single": 2_000, "batch": 90_000},
        "memory_mb": 191.5,
        "packed_vs_booster": {"numpy_times_faster": 9.0, "numba_times_faster": None, "identical": True},
        "targets": {"latency_ms": {"measured": 0.3}},
    }
    scores = dict.fromkeys(
        ("pinball_to_har_rv", "winkler_90_to_har_rv", "coverage_90", "coverage_50"), ESTIMATE
    )
    board = {
        "schema": "leaderboard/1",
        "predictions": {"sha256": "other"},
        "peers": {"qrf": {"left_out": "no environment"}},
        "horizons": {"T42": {"models": {"bands": {"pooled": scores | {"n_effective": 9}}}}},
    }
    given = replace(
        inputs.given,
        inference=inputs.json("inference.json", inference),
        forecast=inputs.json("leaderboard.json", board),
        calibration=inputs.json("calibration.json", {"T42": {"method": "split_cqr", "q_hat": 0.01}}),
    )
    write_report(given, inputs.loose)
    text = (inputs.loose / MARKDOWN).read_text()
    assert "| all four | 0.200 | 0.100 | 0.300 | 0.400 |" in text
    assert "| T42 | bands | 0.970 [0.950, 0.990] |" in text
    assert "qrf (no environment)" in text
    assert "scored other bands" in text
    assert "method split_cqr, q_hat 0.01" in text
    assert "worst 95 % latency 0.300 ms" in text


def test_the_search_is_compared_with_the_grid(inputs: Inputs) -> None:
    write_report(inputs.given, inputs.loose)
    text = (inputs.loose / MARKDOWN).read_text()
    best = json.loads((inputs.hpo / "best_params_T=42.json").read_text())
    grid = json.loads((inputs.hpo / "grid_params_T=42.json").read_text())
    assert f"| T42 | {best['best_pinball']:.5f} | {grid['best_pinball']:.5f} |" in text
    assert f"T42: {best['n_trials']} trials" in page(inputs.loose)
    assert "Not searched: T60." in text


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda i: Given(altered(i, schema="validation/2")), "validation/1.*found 'validation/2'"),
        (lambda i: Given(altered(i, overall=7)), "as `bands validate` writes it"),
        (lambda i: Given(i.loose / "nowhere"), "nowhere"),
        (lambda i: Given(altered(i, extra=float("nan"))), "NaN"),
        (lambda i: Given(i.results, gates=i.json("g.json", {"schema": "gates/9"})), "quality-gates/1"),
        (lambda i: Given(i.results, forecast=i.json("f.json", [1])), "JSON object"),
        (lambda i: Given(i.results, hpo=i.loose), "best_params"),
        (lambda i: Given(i.results, bundle=i.loose), "plain file"),
        (
            lambda i: Given(i.results, gates=i.json("g.json", {"schema": "quality-gates/1", "gates": 3})),
            "kind",
        ),
    ],
    ids=["schema", "shape", "none", "nan", "gates", "list", "hpo", "bundle", "inner shape"],
)
def test_what_can_not_be_believed_is_refused(inputs: Inputs, break_it: Any, told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        write_report(break_it(inputs), inputs.loose / "out")
    assert not (inputs.loose / "out").exists()
