"""The loop that closes itself, from a break of volatility to a promotion and back, with real processes."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.events import Band, Bar, DriftAlert, Outcome, Release, RetrainRequest, RetrainStatus
from contracts.model.bundle import Bundle, load_bundle, write_bundle
from contracts.model.bundle.folder import CALIBRATORS
from contracts.model.candle import History
from contracts.model.conformal import MondrianCQR, SplitCQR
from contracts.model.grid import BAR_SECONDS
from contracts.model.spec import FeatureSpec
from contracts.topics import RELEASES, RETRAIN_STATUS
from offline.dataset import build_dataset
from offline.ingest import write_bars
from offline.market import MarketSpec, simulate
from offline.registry import publish
from offline.train import TrainSettings, train, write_trained
from ops.audit.retell import collect, retell
from ops.release import Releases, judge_pair
from ops.replay import merge_bars
from ops.settings import Settings
from tests.behaviour.harness import TOPICS, Feed, ServedWorker, payloads, wait_in_effect, wait_until
from tests.ops.tiny_pipeline import LENIENT

START = 1_577_836_800  # 2020-01-01
SYMBOLS = ("AAA", "BBB")
TRAINED, CALM, WILD = 2_600, 150, 3_000
STEADY = MarketSpec(log_volatility_std=0.05, stressed_multiplier=1.0, jump_intensity=(0.02, 0.02))
FACTOR = 2.0
WILD_RATIO = 1.25
"""Fast volatility over slow from which the champion's bands are wrong on purpose."""

SETTINGS = TrainSettings(rounds=8, learning_rate=0.1, folds=3)
ENV: dict[str, Any] = {
    "BANDS_REGISTRY__POLL_S": "0.5",
    "BANDS_WORKER__LEASE_TTL_MS": "10000",
    "BANDS_TRAIN__FOLDS": "2",
    "BANDS_RETRAIN__TRIALS": "1",
    "BANDS_RETRAIN__VALIDATION_DAYS": "66",
    "BANDS_RETRAIN__SCHEDULE_DAY": "0",
    "BANDS_RETRAIN__CALIBRATE": "false",
    "BANDS_RELEASE__POLL_INTERVAL_S": "0.2",
}
RETRAIN_PATIENCE_S = 240.0


class Retrainer(ServedWorker):
    """`bands retrainer` on the bars of a folder."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder, None, **ENV)
        words = ["retrainer", "--http-port", str(self.port), "--bars", str(folder / "bars")]
        self._command = [sys.executable, "-m", "ops.cli", *words, "--policy", str(folder / "lenient.toml")]


def champion(folder: Path, histories: Sequence[History]) -> Path:
    """A bundle that is well calibrated in calm markets and far too narrow in wild ones, on purpose."""
    dataset = build_dataset(histories, FeatureSpec())
    heads = train(dataset, SETTINGS)
    honest = write_trained(folder / "honest", heads, dataset, histories, SETTINGS, version="0.1.0")
    bundle = load_bundle(honest)
    files = {path: (honest / path).read_bytes() for path in bundle.manifest.files}
    told = {
        f"T{head.horizon_bars}": {
            symbol: _wrong_when_wild(calibrator.q_hat).to_json()
            for symbol, calibrator in head.calibrators.items()
        }
        for head in bundle.predictor.heads
    }
    files[CALIBRATORS] = json.dumps(told).encode()
    specs = tuple(spec.model_copy(update={"calibrator": "mondrian_cqr"}) for spec in bundle.manifest.heads)
    return write_bundle(folder / "champion", bundle.manifest.model_copy(update={"heads": specs}), files)


def _wrong_when_wild(shipped: Any) -> MondrianCQR:
    calm = SplitCQR(outer=float(shipped[0.90]), inner=float(shipped[0.50]), n_scores=1_000)
    wild = SplitCQR(outer=-1.3, inner=-0.5, n_scores=1_000)
    return MondrianCQR((WILD_RATIO,), (calm, wild), dataclasses.replace(calm, n_scores=2_000))


def told(client: Any, stream: str, kind: Any) -> list[Any]:
    return [kind.from_wire(payload) for payload in payloads(client, stream)]


def lineup(client: Any) -> tuple[str | None, str | None]:
    """Champion and challenger of the newest swap on record."""
    record = json.loads(payloads(client, TOPICS.swaps)[-1])
    return record.get("label"), record.get("challenger", {}).get("label")


def command(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", *words], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_from_a_break_to_a_promotion_and_back(embedded_url: str, tmp_path: Path) -> None:
    market = simulate(
        STEADY, SYMBOLS, TRAINED + CALM + WILD, START, seed=11, breaks=[(TRAINED + CALM, FACTOR)]
    )
    cut = START + TRAINED * BAR_SECONDS
    training = [history.between(None, cut) for history in market.histories.values()]
    for history in training:
        write_bars(history, tmp_path / "bars" / f"sim_{history.symbol}_4h.parquet")
    (tmp_path / "lenient.toml").write_text(LENIENT)
    env = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
    env |= {**ENV, "BANDS_WORKSPACE": str(tmp_path / "var"), "BANDS_REDIS__URL": embedded_url}
    settings = Settings(workspace=tmp_path / "var", redis={"url": embedded_url})
    folder = champion(tmp_path, training)
    publish(folder, settings.registry_uri, artifacts=settings.mlflow_path / "artifacts")
    first = load_bundle(folder)

    client: Any = Redis.from_url(embedded_url)
    bars = merge_bars([h.between(cut, None) for h in market.histories.values()], origin="live")
    feed = Feed(embedded_url, bars)
    with (
        ServedWorker(embedded_url, tmp_path, None, **ENV) as worker,
        Retrainer(embedded_url, tmp_path) as retrainer,
    ):
        worker.wait_ready()
        retrainer.wait_ready()

        def pour(count: int) -> None:
            feed.push(len(SYMBOLS) * count)
            wait_in_effect(client, feed.last)

        pour(CALM)
        assert not payloads(client, TOPICS.retrain), "nothing has happened yet"

        while not (requests := told(client, TOPICS.retrain, RetrainRequest)):
            assert feed.sent <= len(SYMBOLS) * (CALM + 90), "a doubled volatility is noticed within 15 days"
            pour(10)
        request = requests[0]
        alerts = told(client, TOPICS.drift, DriftAlert)
        broke = cut + CALM * BAR_SECONDS
        asking = [alert for alert in alerts if alert.channel in {"width", "coverage"}]
        assert all(alert.at.timestamp() > broke and alert.bundle == first.label for alert in asking)
        assert "width" in {alert.channel for alert in asking}
        assert (request.bundle, request.requested_by) == (first.label, "worker")

        def ended() -> list[RetrainStatus]:
            told_of = [s for s in told(client, RETRAIN_STATUS, RetrainStatus) if s.id == request.id]
            return told_of if told_of and told_of[-1].is_final else []

        wait_until(ended, f"the end of {request.id}", RETRAIN_PATIENCE_S)
        stages = list(dict.fromkeys(status.stage for status in ended()))
        assert stages == ["accepted", "tuning", "validating", "training", "gates", "registered"]
        second = str(ended()[-1].bundle)
        (gates,) = (tmp_path / "var").rglob("quality_gates_report.json")
        assert json.loads(gates.read_text())["decision"]["passed"] >= 3

        wait_until(lambda: lineup(client) == (first.label, second), "the challenger is in shadow")
        releases = Releases(settings, client)
        judged = judge_pair(settings, client, releases.lineup())
        assert judged is not None
        assert judged.verdict == "undecided"
        while judged.verdict == "undecided":
            assert feed.left > len(SYMBOLS) * 900, f"expected a win in finite time, found {judged}"
            pour(60)
            judged = judge_pair(settings, client, releases.lineup())
            assert judged is not None
        assert judged.verdict == "win"
        pairs = [one for one in told(client, TOPICS.outcomes(42), Outcome) if one.shadow is not None]
        assert {(one.bundle, one.shadow.bundle) for one in pairs} == {(first.label, second)}

        follow = [sys.executable, "-m", "ops.cli", "shadow", "--follow", "--policy", "automatic"]
        with subprocess.Popen(follow, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as follower:
            wait_until(lambda: lineup(client) == (second, None), "the challenger is promoted", 120.0)
            follower.terminate()
        promoted_from = feed.sent
        pour(840)
        answered = told(client, TOPICS.bands(42), Band)[promoted_from:]
        assert {band.bundle for band in answered} == {second}
        covered = [
            one.hit_90
            for horizon in (42, 48, 54, 60)
            for one in told(client, TOPICS.outcomes(horizon), Outcome)
            if one.bundle == second and one.status == "resolved"
        ]
        assert 0.87 <= sum(map(bool, covered)) / len(covered) <= 0.93

        command("rollback", "--by", "ops", "--why", "rehearsal", env=env)
        wait_until(lambda: lineup(client) == (first.label, None), "the old champion is back")
        pour(30)
        assert worker.stop() == 0
        assert retrainer.stop() == 0

    actions = [(one.action, one.by) for one in told(client, RELEASES, Release)]
    assert actions == [("shadow", "retrainer"), ("promote", "policy automatic"), ("rollback", "ops")]
    bundles = {one.sha256: one for one in (first, _cached(tmp_path, second))}
    assert_as_designed(client, bars[: feed.sent], bundles)


def _cached(folder: Path, label: str) -> Bundle:
    """The bundle of a label among those the worker fetched."""
    found = [load_bundle(path) for path in (folder / "var" / "champions").iterdir() if len(path.name) == 64]
    return next(bundle for bundle in found if bundle.label == label)


def assert_as_designed(client: Any, bars: Sequence[Bar], bundles: dict[str, Bundle]) -> None:
    """No bar lost or doubled, and every stream holds what the engine says under the lineups on record."""
    entries = [(entry.decode(), fields) for entry, fields in client.xrange(TOPICS.bars)]
    swaps = [one.decode() for one in payloads(client, TOPICS.swaps)]
    retold = collect(retell(entries, swaps, bundles, TOPICS))
    for stream, wanted in retold.streams.items():
        assert payloads(client, stream) == wanted, f"{stream} differs"
    for stream in TOPICS.all_bands:
        records = told(client, stream, Band)
        assert [(one.symbol, one.open_time) for one in records] == [(b.symbol, b.open_time) for b in bars]
    for horizon in (42, 60):
        judged = Counter((o.symbol, o.issued_at) for o in told(client, TOPICS.outcomes(horizon), Outcome))
        assert set(judged.values()) == {1}
        assert len(judged) == len(bars) - len(SYMBOLS) * horizon
    assert client.hgetall(TOPICS.state) == {name.encode(): blob for name, blob in retold.fields.items()}
    assert client.xlen(TOPICS.dead) == 0
