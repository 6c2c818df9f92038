"""`mlflow models serve` of a registered horizon, as someone runs it who has only the registry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.model.bundle import Bundle
from contracts.model.calibrator import BandContext
from contracts.model.grid import LEVEL_NAMES
from offline.dataset import build_dataset
from offline.registry import Published, sqlite_uri
from ops.embedded import free_port
from tests.market import TestMarket

pytestmark = pytest.mark.xdist_group("registry")

REPOSITORY = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
UNINSTALL = f"import sys; sys.path[:] = [p for p in sys.path if p != {str(REPOSITORY)!r}]\n"
"""As `sitecustomize` it takes this repository off the path of every Python below."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, home: Path) -> tuple[Path, dict[str, str]]:
    """A working folder and an environment without this project; pickles are refused."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(UNINSTALL)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(folder / "site"),
        "MLFLOW_TRACKING_URI": sqlite_uri(home),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return folder, environment


@pytest.fixture(scope="module")
def server(
    elsewhere: tuple[Path, dict[str, str]], published: Published
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    folder, environment = elsewhere
    port = free_port()
    command = [
        "mlflow", "models", "serve", "-m", f"models:/CQR_LightGBM_HPO_T42/{published.horizons[42]}",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / command[0], *command[1:]],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder / "log")
        yield url, process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"expected a model server at {url}, found: {log.read_text()}")


def ask(url: str, frame: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and answer of a scoring request."""
    request = urllib.request.Request(
        f"{url}/invocations",
        json.dumps({"dataframe_split": frame}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def rows_of(bundle: Bundle) -> dict[str, Any]:
    """The rows at the end of training, one a symbol, as a scoring request has them."""
    data = []
    for symbol in bundle.symbols:
        fold = bundle.states[symbol]
        row, opened = fold.features.row(), fold.last_open_time
        assert row is not None
        assert opened is not None
        context = bundle.leader.before(opened)
        assert context is not None
        data.append([*row.values.tolist(), *context.values.tolist(), row.sigma, row.volatility_ratio, symbol])
    return {"columns": [*bundle.spec.names, "sigma", "volatility_ratio", "symbol"], "data": data}


def test_the_environment_of_these_tests_lacks_the_project(elsewhere: tuple[Path, dict[str, str]]) -> None:
    folder, environment = elsewhere
    done = subprocess.run(
        [sys.executable, "-c", "import contracts"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "No module named 'contracts'" in done.stderr


def test_a_served_horizon_says_what_the_bundle_says(
    server: tuple[str, subprocess.Popen[bytes]], market: TestMarket
) -> None:
    bundle = market.bundle
    status, told = ask(server[0], rows_of(bundle))
    assert status == 200, told
    for symbol, answer in zip(bundle.symbols, told["predictions"], strict=True):
        fold = bundle.states[symbol]
        row, opened = fold.features.row(), fold.last_open_time
        assert row is not None
        assert opened is not None
        assert answer == bundle.predict(symbol, row, bundle.leader.before(opened))[42].returns, symbol


def test_a_served_history_equals_the_bundle_bit_for_bit(
    server: tuple[str, subprocess.Popen[bytes]], market: TestMarket
) -> None:
    dataset = build_dataset(list(market.training.values()), market.bundle.spec)
    at = range(0, len(dataset), 37)
    names = [dataset.symbols[dataset.symbol[n]] for n in at]
    frame = {
        "columns": ["symbol", "volatility_ratio", "sigma", *market.bundle.spec.names],
        "data": [
            [name, float(dataset.volatility_ratio[n]), float(dataset.sigma[n]), *dataset.rows[n].tolist()]
            for n, name in zip(at, names, strict=True)
        ],
    }
    status, told = ask(server[0], frame)
    assert status == 200, told
    expected = [
        market.bundle.predictor.predict(
            name,
            dataset.rows[n],
            float(dataset.sigma[n]),
            BandContext(int(dataset.close_time[n]), float(dataset.volatility_ratio[n])),
        )[42].quantiles
        for n, name in zip(at, names, strict=True)
    ]
    answers = [tuple(answer[level] for level in LEVEL_NAMES) for answer in told["predictions"]]
    assert answers == expected, "columns are found by name, whatever their order"


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("symbol", "ZZZ", "expected symbols among AAA, BBB, found ZZZ"),
        ("sigma", 0.0, "expected sigma above 0, found 0.0 in row 0"),
        ("volatility_ratio", -1.0, "expected volatility_ratio above 0, found -1.0 in row 0"),
        ("ret_6", None, "expected finite numbers, found nan in row 0, column ret_6"),
        ("ret_6", "much", "ret_6"),
        ("rv_42", ..., "Model is missing inputs ['rv_42']"),
    ],
)
def test_what_can_not_be_scored_is_refused_in_a_sentence(
    server: tuple[str, subprocess.Popen[bytes]], market: TestMarket, column: str, value: Any, sentence: str
) -> None:
    frame = rows_of(market.bundle)
    at = frame["columns"].index(column)
    frame["data"][0][at] = value
    if value is ...:
        frame = {name: [*rows[:at], *rows[at + 1 :]] for name, rows in frame.items() if name == "columns"} | {
            "data": [[*row[:at], *row[at + 1 :]] for row in frame["data"]]
        }
    status, told = ask(server[0], frame)
    assert status == 400
    assert sentence in told["message"]
    assert "stack_trace" not in told
    assert ask(server[0], rows_of(market.bundle))[0] == 200, "the next good request is answered"
