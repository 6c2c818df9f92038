"""What DEPLOYMENT_GUIDE.md shows exists, and its snippets run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from contracts.topics import Topics
from ops.cli.app import COMMANDS, app
from ops.deployment.backup import back_up
from ops.deployment.deploy import STEPS
from ops.deployment.record import Before
from ops.security.acl import write_acl
from ops.security.roles import roles
from ops.settings import Settings
from tests.ops.deployment.written import documents, tool, write_all

GUIDE = Path(__file__).parents[3] / "docs" / "DEPLOYMENT_GUIDE.md"
TEXT = GUIDE.read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


COMMAND_LINES = [shlex.split(line) for block in blocks("bash") for line in block.splitlines()]


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_every_command_exists_with_the_options_shown(words: list[str]) -> None:
    assert words[0] == "bands"
    if words[1] not in COMMANDS:
        pytest.skip(f"`bands {words[1]}` is not built yet")
    told = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert told.exit_code == 0, told.output
    for option in (word for word in words if word.startswith("--")):
        assert option in told.output, option


def test_shell_blocks_are_shell() -> None:
    for block in blocks("sh"):
        done = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


OUTSIDE = r"""
sudo() { "$@"; }
for name in docker kubectl systemctl useradd; do
    eval "$name() { echo $name \"\$@\" >> $CALLS; }"
done
set -e
"""
"""Stand-ins for what is not here: they note how they were called."""


def follow(section: str, folder: Path) -> list[list[str]]:
    """Run the section's commands beside `deploy`, with `/etc` there too; what the stand-ins were asked."""
    tool("openssl")
    (block,) = re.findall(rf"^### {section}\n.*?^```sh\n(.*?)^```", TEXT, re.M | re.S)
    calls = folder / "calls"
    calls.touch()
    script = OUTSIDE + block.replace("/etc/", f"{folder}/etc/")
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env={**os.environ, "CALLS": str(calls)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in calls.read_text().splitlines()]


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A folder in which the guide was followed up to the server's passwords."""
    write_all(tmp_path / "deploy")
    container = tmp_path / "deploy" / "container"
    write_acl(container / "acl" / "users.acl", container / "secrets" / "redis", roles(1))
    return tmp_path


def is_private(file: Path) -> bool:
    return file.stat().st_size > 0 and file.stat().st_mode & 0o077 == 0


def test_containers_find_their_secrets_and_know_who_they_are_in_every_shell(deployed: Path) -> None:
    calls = follow("Containers", deployed)
    assert ["docker", "compose", "up", "-d"] in calls
    folder = deployed / "deploy" / "container"
    text = (folder / "compose.yaml").read_text()
    for name, secret in yaml.safe_load(text)["secrets"].items():
        assert is_private(folder / secret["file"]), name
    told = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())
    assert set(told) == set(re.findall(r"\$\{(QUANT_BANDS_\w+)", text))
    assert (told["QUANT_BANDS_UID"], told["QUANT_BANDS_GID"]) == (str(os.getuid()), str(os.getgid()))


def test_every_unit_that_is_enabled_finds_its_credentials(deployed: Path) -> None:
    tool("systemd-analyze")
    (deployed / "etc" / "systemd" / "system").mkdir(parents=True)
    calls = follow("systemd", deployed)
    (enabled,) = (call[3:] for call in calls if call[:3] == ["systemctl", "enable", "--now"])
    assert len(enabled) == 5
    for name in enabled:
        unit = name if name.endswith(".target") else re.sub(r"@\d+$", "@", name) + ".service"
        text = (deployed / "etc" / "systemd" / "system" / unit).read_text()
        for path in re.findall(r"^LoadCredential=\w+:(/\S+)$", text, re.M):
            assert is_private(deployed / path.removeprefix("/")), f"{unit} does not start without {path}"


def test_every_secret_of_a_pod_is_made(deployed: Path) -> None:
    follow("Containers", deployed)
    (deployed / "calls").unlink()
    calls = follow("Kubernetes", deployed)
    made: dict[str, set[str]] = {}
    for call in (call for call in calls if call[3:6] == ["create", "secret", "generic"]):
        sources = [word.removeprefix("--from-file=").partition("=")[::2] for word in call[7:]]
        made[call[6]] = {key for key, _ in sources}
        for _, file in sources:
            assert (deployed / "deploy" / "container" / file).stat().st_size > 0, file
    (folder,) = (call[-1] for call in calls if call[1:3] == ["apply", "-k"])
    manifests = documents(deployed / "deploy" / "container" / folder)
    pods = [one["spec"]["template"]["spec"] for one in manifests if "template" in one.get("spec", {})]
    asked = {v["secret"]["secretName"] for pod in pods for v in pod["volumes"] if "secret" in v}
    assert {"redis-acl", "redis-worker", "mlflow", "dashboard"} <= asked <= set(made)
    for pod in pods:
        for one in pod["containers"][0].get("env", ()):
            if (key := one.get("valueFrom", {}).get("secretKeyRef")) is not None:
                assert key["key"] in made[key["name"]], key


def test_settings_shown_are_settings() -> None:
    (block,) = blocks("toml")
    told = tomllib.loads(block)["deploy"]
    assert Settings(deploy=told).deploy.source == "folder"


def test_every_step_is_described_in_order() -> None:
    table = TEXT.split("| step | does |")[1].split("\n\n")[0]
    assert re.findall(r"^\| ([a-z ]+) \|", table, re.M) == [name for name, _ in STEPS]


def test_the_restore_snippet_restores(
    client: Any, settings: Settings, tmp_path: Path, embedded_url: str
) -> None:
    client.hset(Topics().cursor, "entry", "7-0")
    source = settings.model_copy(update={"deploy": settings.deploy.model_copy(update={"source": "folder"})})
    back_up(source, client, Before(), tmp_path / "var" / "deployments" / "20260101T000000Z-1.0.0" / "backup")
    client.flushall()
    (block,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env={**os.environ, "BANDS_REDIS__URL": embedded_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "restored up to 7-0\n", done.stderr
    assert client.hget(Topics().cursor, "entry") == b"7-0"
