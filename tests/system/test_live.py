"""From an empty folder to a live-like system in one terminal, with an alert at the end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ops.embedded import free_port

pytestmark = pytest.mark.slow


def test_bars_flow_from_an_exchange_to_bands_and_a_break_raises_an_alert(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
    before = {process.pid for process in psutil.process_iter()}
    ended = subprocess.run(
        [sys.executable, "-m", "ops.cli", "demo", "--live", "--until-alert", "--bars-per-second", "3"],
        env={**inherited, "BANDS_DASHBOARD__PORT": str(free_port()), "COLUMNS": "200"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for part in ("mock-exchange", "worker", "feed", "dashboard"):
        assert re.search(
            rf"bands {part} +(?:serves|does not serve) +http://127\.0\.0\.1:\d+", ended.stdout
        ), part
    assert "times as far as the bands implied" in ended.stdout
    told = re.search(r"(\d+) bars, (\d+) bands at T42, (\d+) drift alerts; all ended", ended.stdout)
    assert told is not None, ended.stdout
    bars, bands, alerts = map(int, told.groups())
    assert bars > bands > 100
    assert alerts >= 1
    ours = str(tmp_path)
    left = [p for p in psutil.process_iter(["cmdline"]) if p.pid not in before]
    assert not [p for p in left if any(ours in word for word in p.info["cmdline"] or ())]
