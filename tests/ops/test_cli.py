"""The `bands` command as a user meets it: results, errors, exit codes, reuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from contracts.events import Band
from contracts.model.bundle import load_bundle
from contracts.model.grid import HORIZONS, iso
from offline.ingest import write_bars
from ops.cli.app import COMMANDS, app
from ops.cli.bench import BENCHMARKS
from tests.market import LIVE_BARS, SYMBOLS, TRAINING_BARS, TestMarket

pytestmark = pytest.mark.xdist_group("cli")

TRAINING = ("lightgbm", "sklearn", "optuna", "mlflow", "numba", "arch", "scipy.stats", "matplotlib")
CUT = iso(1_577_836_800 + TRAINING_BARS * 14_400)


def bands(
    folder: Path, *words: str | Path, timeout: float = 180, **more: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.cli", *map(str, words)]
    env = {**os.environ, **more}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout)


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Path:
    """A working folder with both symbols' bars in files."""
    folder = tmp_path_factory.mktemp("home")
    for symbol in SYMBOLS:
        parts = [pd.DataFrame(_columns(h[symbol])) for h in (market.training, market.live)]
        frame = pd.concat(parts, ignore_index=True)
        frame["open_time"] = pd.to_datetime(frame["open_time"], unit="s", utc=True)
        frame.to_parquet(folder / f"sim_{symbol}_4h.parquet")
    return folder


def _columns(history: Any) -> dict[str, Any]:
    names = ("open_time", "open", "high", "low", "close", "volume")
    return {name: getattr(history, name) for name in names}


@pytest.mark.parametrize("name", [*COMMANDS, *(f"bench {name}" for name in BENCHMARKS)])
def test_every_command_has_help_with_an_example(name: str) -> None:
    if name == "bench":
        return
    told = CliRunner().invoke(app, [*name.split(), "--help"])
    assert told.exit_code == 0
    assert "Example: bands " in " ".join(told.output.split()), told.output


def test_help_is_asked_for_at_a_shell(tmp_path: Path) -> None:
    done = bands(tmp_path, "status", "--help")
    assert done.returncode == 0
    assert "Example: bands status" in " ".join(done.stdout.split()), done.stdout


@pytest.mark.parametrize(
    ("commands", "absent"),
    [
        (["worker", "feed", "dashboard", "notify", "retrain"], ("pandas", *TRAINING)),
        (["status", "check", "deploy", "smoke", "rollback", "promote", "shadow", "package"], TRAINING),
    ],
)
def test_commands_of_a_running_desk_do_not_import_the_training_stack(
    commands: list[str], absent: tuple[str, ...]
) -> None:
    code = (
        "import sys; from importlib import import_module\n"
        "for command in sys.argv[1].split(): import_module('ops.cli.' + command)\n"
        "print(*(m for m in sys.argv[2].split() if m in sys.modules))"
    )
    words = [sys.executable, "-c", code, " ".join(commands), " ".join(absent)]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


def test_the_whole_loop_and_its_second_run(home: Path) -> None:
    words = ["demo", "--json", "--cut", CUT]
    for symbol in SYMBOLS:
        words += ["--bars", str(home / f"sim_{symbol}_4h.parquet")]
    first = answer(bands(home, *words))
    assert not first["reused"]
    assert first["bars"] == 2 * LIVE_BARS
    assert first["dead_letters"] == 0
    assert [h["horizon_bars"] for h in first["horizons"]] == list(HORIZONS)
    for horizon in first["horizons"]:
        assert horizon["records"] == horizon["bands"] == 2 * LIVE_BARS
        assert horizon["resolved"] == 2 * (LIVE_BARS - horizon["horizon_bars"])
        assert 0.5 < horizon["coverage_90"]["value"] <= 1.0
        assert horizon["coverage_90"]["n_effective"] >= 6
        assert 0.5 < horizon["pinball_to_har_rv"]["value"] < 2.0
    assert 0 < first["latency_p50_ms"] <= first["latency_p99_ms"]
    records = (home / first["records"]).read_bytes().splitlines()
    assert len(records) == 8 * LIVE_BARS
    assert Band.from_wire(records[0]).is_band
    assert "plotly" in Path(home / first["chart"]).read_text()[:5_000_000]

    second = answer(bands(home, *words))
    assert second["reused"]
    assert second["registry_version"] == first["registry_version"]
    assert (home / second["records"]).read_bytes().splitlines() == records


def test_train_publish_replay_and_status(home: Path) -> None:
    files = [word for s in SYMBOLS for word in ("--bars", str(home / f"sim_{s}_4h.parquet"))]
    trained = answer(
        bands(home, "train", *files, "--until", CUT, "--leader", "AAA", "--version", "0.2.0", "--json")
    )
    bundle = load_bundle(Path(trained["folder"]))
    assert bundle.spec.leader == "AAA"
    published = answer(bands(home, "publish", trained["folder"], "--json"))
    assert published["label"] == trained["label"]
    status = bands(home, "status", "--json")
    assert status.returncode == 4, "no server runs"
    told = json.loads(status.stdout)
    assert told["registry"]["champion"]["label"] == trained["label"]

    out = home / "bands.jsonl"
    replayed = answer(bands(home, "replay", *files, "--out", out, "--json"))
    assert replayed["bars_pushed"] == 2 * LIVE_BARS
    assert replayed["bars_skipped"] == 2 * TRAINING_BARS
    assert replayed["bands"] == replayed["records"] == 8 * LIVE_BARS
    whole = out.read_bytes()
    keys = [(b.open_time, b.symbol, b.horizon_bars) for b in map(Band.from_wire, whole.splitlines())]
    assert keys == sorted(set(keys)), "one record per bar and horizon, in the order of the bars"
    deployed = {"BANDS_STREAM__PARTITIONS": "3", "BANDS_WORKER__PARTITION": "2"}
    alone = ("--symbol", "AAA", "--out", home / "a.jsonl", "--json")
    one = answer(bands(home, "replay", *files, *alone, **deployed))
    assert one["records"] == 4 * LIVE_BARS
    again = answer(bands(home, "replay", *files, "--bundle", trained["folder"], "--out", out, "--json"))
    assert again["records"] == replayed["records"]
    assert out.read_bytes() == whole
    spread = {**deployed, "BANDS_REDIS__CLUSTER": "true"}
    refused = bands(home, "replay", *files, "--redis-url", "redis://127.0.0.1:9", **spread)
    assert refused.returncode == 3
    assert "expected one server to replay on" in refused.stderr


def test_ingest_reports_and_keeps(home: Path, market: TestMarket) -> None:
    told = answer(bands(home, "ingest", "--bars", home / "sim_AAA_4h.parquet", "--out", "kept", "--json"))
    assert told[0]["file"].endswith("AAA_4h.parquet")
    frame = pd.read_parquet(home / "sim_AAA_4h.parquet")
    frame.drop(index=[5, 6, 7]).to_csv(home / "gappy_AAA_4h.csv", index=False)
    plain = bands(home, "ingest", "--bars", home / "gappy_AAA_4h.csv", "--out", "kept")
    assert plain.returncode == 0
    assert "3" in plain.stdout
    assert "missing" in plain.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["ingest", "--bars", "nowhere.parquet"], 3, "nowhere.parquet"),
        (["train", "--bars", "broken_AAA_4h.csv"], 3, "row 2"),
        (["train", "--bars", "short_AAA_4h.parquet"], 3, "361"),
        (["train", "--bars", "short_AAA_4h.parquet", "--until", "yesterday"], 3, "2024-01-01"),
        (["demo", "--bars", "short_AAA_4h.parquet"], 3, "--cut"),
        (["publish", "no-such-bundle"], 3, "manifest.json"),
        (["worker", "--bundle", "no-such-bundle", "--http-port", "0"], 3, "manifest.json"),
        (["status", "--redis-url", "redis://127.0.0.1:9"], 4, "down"),
        (["status", "--redis-url", "http://x"], 3, "redis://"),
        (["replay", "--bars", "short_AAA_4h.parquet", "--redis-url", "redis://127.0.0.1:9"], 4, "Connect"),
        (["train"], 2, "--bars"),
        (["nonsense"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_goes_wrong_is_told_in_a_sentence(
    tmp_path: Path, market: TestMarket, words: list[str], code: int, told: str
) -> None:
    write_bars(
        market.live["AAA"].between(None, int(market.live["AAA"].open_time[200])),
        tmp_path / "short_AAA_4h.parquet",
    )
    (tmp_path / "broken_AAA_4h.csv").write_text(
        "open_time,open,high,low,close,volume\n"
        "2024-01-01T00:00:00Z,1,2,0.5,1.5,1\n"
        "2024-01-01T04:00:00Z,1,0.1,0.5,1.5,1\n"
    )
    done = bands(tmp_path, *words)
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code, output
    assert told in output
    assert "Traceback" not in output


def test_settings_come_from_a_file_and_show_their_origin(tmp_path: Path) -> None:
    (tmp_path / "bands.toml").write_text(
        'workspace = "elsewhere"\n[redis]\nurl = "redis://u:secret@127.0.0.1:9"\n'
    )
    told = json.loads(bands(tmp_path, "status", "--json").stdout)
    rows = {row["name"]: row for row in told["settings"]}
    assert rows["workspace"]["value"] == "elsewhere"
    assert "bands.toml" in rows["workspace"]["from"]
    assert "secret" not in json.dumps(told)
