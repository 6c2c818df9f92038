"""Everything the report is made from, read once, checked, and belonging together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contracts.errors import BadInputError
from contracts.model.bundle import Manifest
from contracts.model.bundle.folder import verify_bundle
from offline.report.bands import HorizonBands, pooled_mean, read_bands
from offline.report.results import Results
from offline.report.sources import Source, SourceReader
from offline.report.trials import TrialPoint, read_trials
from offline.validate import RESULTS_SCHEMA

RESULTS, PREDICTIONS, JOURNAL = "results.json", "predictions.parquet", "journal.log"
GATES_SCHEMA, INFERENCE_SCHEMA = "quality-gates/1", "inference/1"
HPO_SCHEMA, LEADERBOARD_SCHEMA = "hpo/1", "leaderboard/1"
_PARAMS_FILE = re.compile(r"(?P<kind>best|grid)_params_T=(?P<horizon>\d+)\.json")
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Given:
    """The files a report is asked to be made from; None where one is not given."""

    results: Path
    hpo: Path | None = None
    bundle: Path | None = None
    gates: Path | None = None
    calibration: Path | None = None
    inference: Path | None = None
    forecast: Path | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One JSON file and how it is cited."""

    source: Source
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Search:
    """What `bands hpo` left of one horizon: the tuned search, the grid search, the trials."""

    best: Told | None = None
    grid: Told | None = None
    trials: Sequence[TrialPoint] = ()


@dataclass(frozen=True, slots=True)
class GivenBundle:
    """A verified bundle folder."""

    source: Source
    manifest: Manifest
    sha256: str
    files: Mapping[str, bytes]

    @property
    def label(self) -> str:
        """Version and short hash."""
        return f"{self.manifest.version}+{self.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All inputs. Optional ones are None when they were not given."""

    results: Results
    results_source: Source
    bands: Mapping[int, HorizonBands]
    bands_source: Source
    searches: Mapping[int, Search]
    journal: Source | None
    bundle: GivenBundle | None
    gates: Told | None
    calibration: Told | None
    inference: Told | None
    forecast: Told | None
    sources: Sequence[Source] = field(default_factory=tuple)

    @property
    def settings_agree(self) -> bool | None:
        """Whether the bundle was trained as validated: settings, symbols and leader; None without one."""
        if self.bundle is None:
            return None
        manifest = self.bundle.manifest
        return (
            dict(manifest.params) == dict(self.results.settings.train)
            and set(manifest.symbols) == set(self.results.symbols)
            and manifest.features.leader == self.results.leader
        )


def read_evidence(given: Given) -> Evidence:
    """Read every file that is given.

    Raises:
        BadInputError: one is missing, unreadable, of another schema, or predictions and results are not of
            one run.
        BundleError: the bundle's folder does not verify.
    """
    reader = SourceReader()
    results_source, raw = reader.read_json(given.results / RESULTS, "walk-forward results", RESULTS_SCHEMA)
    try:
        results = Results.model_validate(raw)
    except ValidationError as error:
        raise BadInputError(
            f"expected {RESULTS_SCHEMA} as `bands validate` writes it in {given.results / RESULTS}, found: "
            f"{error}"
        ) from error
    bands_source, parquet = reader.read(given.results / PREDICTIONS, "issued bands")
    bands = read_bands(parquet, str(given.results / PREDICTIONS))
    _refuse_other_run(results, bands, given.results)
    searches, journal = _read_searches(reader, given.hpo) if given.hpo else ({}, None)

    def optional(path: Path | None, what: str, schema: str | None = None) -> Told | None:
        return None if path is None else Told(*reader.read_json(path, what, schema))

    bundle = _read_bundle(reader, given.bundle) if given.bundle else None
    return Evidence(
        results,
        results_source,
        bands,
        bands_source,
        searches,
        journal,
        bundle,
        optional(given.gates, "quality gates report", GATES_SCHEMA),
        optional(given.calibration, "comparison of calibrators"),
        optional(given.inference, "inference benchmark", INFERENCE_SCHEMA),
        optional(given.forecast, "leaderboard of forecasts", LEADERBOARD_SCHEMA),
        tuple(reader.sources),
    )


def _refuse_other_run(results: Results, bands: Mapping[int, HorizonBands], folder: Path) -> None:
    if set(bands) != set(results.horizons):
        raise BadInputError(
            f"expected bands of horizons {results.horizons} in {folder / PREDICTIONS}, found "
            f"{sorted(bands)}; the two files are not of one run, validate again"
        )
    for horizon, panel in bands.items():
        told = results.estimate(f"T{horizon}", "pooled", "coverage_90").value
        found = pooled_mean(panel.hits(0.90))
        if (told is None) != (found is None) or (
            told is not None and found is not None and abs(told - found) > _SAME
        ):
            raise BadInputError(
                f"expected bands that cover {told} at T{horizon}, as {RESULTS} says, found {found} in "
                f"{folder / PREDICTIONS}; the two files are not of one run, validate again"
            )


def _read_searches(reader: SourceReader, folder: Path) -> tuple[dict[int, Search], Source | None]:
    found: dict[int, dict[str, Told]] = {}
    for path in sorted(folder.glob("*_params_T=*.json")):
        if match := _PARAMS_FILE.fullmatch(path.name):
            told = Told(*reader.read_json(path, "result of a hyperparameter search", HPO_SCHEMA))
            found.setdefault(int(match["horizon"]), {})[match["kind"]] = told
    if not found:
        raise BadInputError(
            f"expected best_params_T=….json in {folder}, found none; give the folder that `bands hpo` wrote, "
            "or leave --hpo out"
        )
    journal = folder / JOURNAL
    source = reader.read(journal, "journal of trials")[0] if journal.is_file() else None
    searches = {}
    for horizon, kinds in sorted(found.items()):
        best = kinds.get("best")
        study = best.data.get("data", {}).get("study") if best else None
        trials = read_trials(journal, str(study)) if source is not None and study is not None else []
        searches[horizon] = Search(best, kinds.get("grid"), tuple(trials))
    return searches, source


def _read_bundle(reader: SourceReader, folder: Path) -> GivenBundle:
    manifest, sha256, files = verify_bundle(folder)
    return GivenBundle(reader.add("bundle, its manifest", "manifest.json", sha256), manifest, sha256, files)
