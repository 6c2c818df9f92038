"""The containers: closed, owning what they write, and started again with the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from offline.package.requirements import pins
from ops.deployment.prune import unneeded
from tests.ops.deployment.written import documents, run, tool, write_all


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("files"))


def test_compose_is_read_by_docker_compose(written: Path) -> None:
    folder = written / "container"
    program = tool("docker-compose", "docker")
    words = [program] if program.endswith("docker-compose") else [program, "compose"]
    asked = subprocess.run([*words, "version"], capture_output=True, timeout=60, check=False)
    if asked.returncode != 0:
        pytest.skip("docker has no compose plugin here")
    run(
        *words,
        "-f",
        "compose.yaml",
        "--profile",
        "notify",
        "--profile",
        "ops",
        "config",
        "--quiet",
        cwd=folder,
        QUANT_BANDS_UID="1000",
        QUANT_BANDS_GID="1000",
    )


def test_compose_is_closed_and_comes_back(written: Path) -> None:
    told = yaml.safe_load((written / "container" / "compose.yaml").read_text())
    for name, one in told["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ())), name
        assert one["restart"] == ("no" if name in {"ops", "volume-owner"} else "always"), name
        assert one["cap_drop"] == ["ALL"], name
        assert one["read_only"] is True, name
        assert "healthcheck" in one, name
        assert "memory" in one["deploy"]["resources"]["limits"], name
        assert set(one.get("secrets", ())) <= set(told["secrets"]), name
        assert not [v for k, v in (one.get("environment") or {}).items() if k.endswith("PASSWORD")], name
    mlflow = " ".join(told["services"]["mlflow"]["command"])
    assert "--app-name basic-auth" in mlflow
    assert "--allowed-hosts mlflow:5000" in mlflow
    assert told["services"]["mlflow"]["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_every_volume_belongs_to_who_writes_it(written: Path) -> None:
    """An empty volume is root's, or its image's user's: neither is who runs the containers."""
    told = yaml.safe_load((written / "container" / "compose.yaml").read_text())
    services = told["services"]
    owner = services.pop("volume-owner")
    user, *handed = owner["command"]
    given = {one["source"]: one["target"] for one in owner["volumes"]}
    assert sorted(handed) == sorted(given.values())
    assert (owner["entrypoint"], owner["user"], owner["cap_add"]) == (["chown"], "0:0", ["CHOWN"])
    names = set()
    for name, one in services.items():
        for volume in one.get("volumes", ()):
            if isinstance(volume, str):
                source = volume.split(":")[0]
                assert source.startswith("./") or (name, source) == ("prometheus", "metrics"), volume
                continue
            names.add(volume["source"])
            assert volume["volume"] == {"nocopy": True}, name
            assert one["user"] == user, name
            assert waits_for(services, name, "volume-owner"), name
    assert names == set(given)
    assert set(told["volumes"]) == names | {"metrics"}


def waits_for(services: dict[str, Any], name: str, awaited: str) -> bool:
    before = services[name].get("depends_on", {})
    return awaited in before or any(waits_for(services, one, awaited) for one in before)


def test_nobody_runs_as_a_user_of_one_shell_alone(written: Path) -> None:
    """Without `.env` Compose refuses, instead of making every container anew as somebody else."""
    text = (written / "container" / "compose.yaml").read_text()
    assert re.findall(r"\$\{QUANT_BANDS_[UG]ID(..)", text) == [":?", ":?"]


def test_a_replaced_acl_file_is_seen_by_a_running_server(written: Path) -> None:
    """`bands acl` replaces it by a rename: a file mounted alone, or by subPath, would stay the old one."""
    services = yaml.safe_load((written / "container" / "compose.yaml").read_text())["services"]
    assert "./acl:/etc/valkey/acl:ro" in services["valkey"]["volumes"]
    found = documents(written / "kubernetes")
    server = next(
        one for one in found if one["kind"] == "StatefulSet" and one["metadata"]["name"] == "valkey"
    )
    mounts = server["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    (acl,) = (mount for mount in mounts if mount["name"] == "acl")
    assert (acl["mountPath"], "subPath" in acl) == ("/etc/valkey/acl", False)
    config = next(one for one in found if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "valkey")
    for text in (config["data"]["valkey.conf"], (written / "container" / "valkey.conf").read_text()):
        assert "\naclfile /etc/valkey/acl/users.acl\n" in text


def test_containerfile_has_no_finding_of_hadolint(written: Path) -> None:
    run(tool("hadolint"), "Containerfile", cwd=written / "container")


def test_containerfile_ends_without_root_and_copies_what_there_is(written: Path) -> None:
    text = (written / "container" / "Containerfile").read_text().replace("\\\n", " ")
    root = Path(__file__).parents[3]
    for line in re.findall(r"^COPY (?!--)(.+)$", text, re.M):
        for source in line.split()[:-1]:
            assert (root / source).exists(), source
    assert re.findall(r"^USER (.+)$", text, re.M)[-1] == "10001:10001"
    assert "--require-hashes" in text


def test_the_image_sheds_what_only_tests_need() -> None:
    gone = set(unneeded())
    assert {"pytest", "ruff", "mypy", "selenium"} <= gone
    assert not gone & set(pins(extra="ops"))
    assert "pip" not in gone


def test_valkey_starts_from_the_configuration(written: Path, tmp_path: Path) -> None:
    """The real server reads it, but for its folders and port."""
    from ops.embedded import free_port
    from ops.embedded.binary import server_binary

    text = (written / "container" / "valkey.conf").read_text()
    port = free_port()
    (tmp_path / "users.acl").write_text("user default off\nuser admin on nopass ~* &* +@all\n")
    for old, new in (
        ("dir /data", f"dir {tmp_path}"),
        ("aclfile /etc/valkey/acl/users.acl", f"aclfile {tmp_path}/users.acl"),
        ("port 6379", f"port {port}"),
        ("bind * -::*", "bind 127.0.0.1"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "valkey.conf").write_text(text)
    server = subprocess.Popen(
        [server_binary(), tmp_path / "valkey.conf"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        from redis import Redis

        from tests.behaviour.harness import wait_until

        client = Redis(port=port, username="admin", password="x")

        def answers() -> bool:
            try:
                return bool(client.ping())
            except OSError:
                return False
            except Exception as error:  # noqa: BLE001 - not up yet
                return "Authentication" in str(error)

        wait_until(lambda: server.poll() is not None or answers(), "the server answers")
        assert server.poll() is None, server.stdout.read() if server.stdout else ""
        told = client.config_get("append*", "maxmemory-policy")
        assert (told["appendonly"], told["appendfsync"]) == ("yes", "everysec")
        assert told["maxmemory-policy"] == "noeviction"
    finally:
        server.terminate()
        server.wait(20)
