"""The files that run the whole: filled in, and read by the tools that will read them."""

from __future__ import annotations

import plistlib
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from contracts.errors import BadInputError
from ops.cli.app import COMMANDS
from ops.deployment.templates import PLACEHOLDER, fill, write_files
from ops.security.roles import roles
from ops.settings import Settings
from ops.settings.names import valid_names
from tests.ops.deployment.written import PARTITIONS, plain, run, tool, write_all

LAUNCHD_KEYS = {
    "Label", "ProgramArguments", "WorkingDirectory", "EnvironmentVariables", "RunAtLoad", "KeepAlive",
    "ThrottleInterval", "ProcessType", "ExitTimeOut", "Umask", "StandardOutPath", "StandardErrorPath",
    "SoftResourceLimits", "LowPriorityIO", "Nice",
}  # fmt: skip
"""Those of launchd.plist(5) that are used; a key it does not know is ignored there without a word."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("files"))


def test_every_placeholder_is_filled_and_edits_are_kept(written: Path) -> None:
    own = [path for path in plain(written) if "monitoring" not in path.parts]
    assert len(own) > 20
    assert not [path for path in own if PLACEHOLDER.search(path.read_text())]
    target = written / "container" / "valkey.conf"
    before = target.read_text()
    target.write_text("mine\n")
    write_files(
        written, Settings(workspace=written / "var", stream={"partitions": PARTITIONS}), ["container"]
    )
    assert target.read_text() == "mine\n"
    beside = target.with_name("valkey.conf.new")
    assert beside.read_text() == before
    beside.replace(target)
    with pytest.raises(BadInputError, match="@NOBODY@"):
        fill("x @NOBODY@", {})
    with pytest.raises(BadInputError, match="found docker"):
        write_files(written, Settings(), ["docker"])


def test_every_variable_is_a_setting_and_every_command_exists(written: Path) -> None:
    known = {f"BANDS_{name.upper().replace('.', '__')}" for name in valid_names(Settings)}
    known.add("BANDS_CONFIG")
    texts = "\n".join(path.read_text() for path in plain(written) if "monitoring" not in path.parts)
    assert set(re.findall(r"\bBANDS_[A-Z_]+", texts)) <= known
    services = yaml.safe_load((written / "container" / "compose.yaml").read_text())["services"]
    own = {
        name: one["command"][0]
        for name, one in services.items()
        if "quant-bands:" in one.get("image", "") and "entrypoint" not in one
    }
    expected = {"worker", "retrainer", "feed", "dashboard", "notify", "status"}
    assert set(own.values()) == expected
    missing = expected - set(COMMANDS)
    if missing:
        pytest.skip(f"not built yet: {', '.join(missing)}")


def test_users_are_the_roles_of_the_acl_file(written: Path) -> None:
    names = {role.name for role in roles(1)}
    texts = "\n".join(path.read_text() for path in plain(written))
    used = set(re.findall(r"BANDS_REDIS__USERNAME[=:, ]+(?:value: )?([a-z]+)", texts))
    assert {"worker", "retrainer", "feed", "dashboard", "ops"} <= used <= names


def test_systemd_takes_every_unit(written: Path) -> None:
    program = tool("systemd-analyze")
    folder = written / "systemd"
    units = sorted(path.name for path in folder.glob("bands*") if path.suffix in {".service", ".target"})
    for unit in units:
        done = subprocess.run(
            [program, "verify", "--man=no", f"./{unit}"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = [line for line in done.stderr.splitlines() if "bands" in line]
        assert not told, told
    for unit in (name for name in units if name.endswith(".service")):
        rated = run(program, "security", "--offline=true", f"./{unit}", cwd=folder)
        level = re.search(r"exposure level for \S+: ([0-9.]+)", rated)
        assert level is not None, rated
        assert float(level[1]) <= 2.0, f"{unit} is exposed: {level[1]}"


def test_systemd_restarts_always_and_keeps_secrets_in_credentials(written: Path) -> None:
    for path in (written / "systemd").glob("*.service"):
        text = path.read_text()
        assert "\nRestart=always\n" in text, path
        assert "LoadCredential=redis:" in text, path
        assert "StartLimitIntervalSec=0" in text, path


def test_launchd_agents_are_property_lists_of_known_keys(written: Path) -> None:
    paths = sorted((written / "launchd").glob("*.plist"))
    assert {path.name for path in paths} >= {"io.quantbands.worker.plist", "io.quantbands.retrainer.plist"}
    for path in paths:
        told = plistlib.loads(path.read_bytes())
        assert set(told) <= LAUNCHD_KEYS
        assert path.stem == told["Label"]
        assert told["KeepAlive"] is True
        assert told["ProgramArguments"][1] in COMMANDS or told["ProgramArguments"][1] in {"feed", "dashboard"}
        assert all(isinstance(value, str) for value in told["EnvironmentVariables"].values())


def test_monitoring_finds_the_services_by_name_and_the_webhook_in_its_secret(written: Path) -> None:
    folder = written / "container" / "monitoring"
    assert "worker:8100" in (folder / "targets" / "workers.yml").read_text()
    assert "feed:8102" in (folder / "targets" / "feeds.yml").read_text()
    assert "http://prometheus:9090" in (folder / "grafana" / "datasource.yml").read_text()
    routes = yaml.safe_load((folder / "alertmanager.yml").read_text())
    hooks = [hook for one in routes["receivers"] for hook in one["webhook_configs"]]
    assert {hook.get("url_file") for hook in hooks} == {"/run/secrets/webhook"}
    compose = yaml.safe_load((written / "container" / "compose.yaml").read_text())
    for one in compose["services"].values():
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0] if isinstance(volume, str) else ""
            if source.startswith("./") and source != "./acl":
                assert (written / "container" / source).exists(), source


def test_prometheus_takes_its_configuration(written: Path) -> None:
    run(tool("promtool"), "check", "config", "prometheus.yml", cwd=written / "container" / "monitoring")
