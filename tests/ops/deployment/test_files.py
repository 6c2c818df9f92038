"""The files that run the whole: filled in, and read by the tools that will read them."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from contracts.errors import BadInputError
from offline.package.requirements import pins
from ops.cli.app import COMMANDS
from ops.deployment.prune import unneeded
from ops.deployment.templates import KINDS, PLACEHOLDER, fill, write_files
from ops.security.roles import roles
from ops.settings import Settings
from ops.settings.names import valid_names

PARTITIONS = 3
LAUNCHD_KEYS = {
    "Label", "ProgramArguments", "WorkingDirectory", "EnvironmentVariables", "RunAtLoad", "KeepAlive",
    "ThrottleInterval", "ProcessType", "ExitTimeOut", "Umask", "StandardOutPath", "StandardErrorPath",
    "SoftResourceLimits", "LowPriorityIO", "Nice",
}  # fmt: skip
"""Those of launchd.plist(5) that are used; a key it does not know is ignored there without a word."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    settings = Settings(workspace=folder / "var", stream={"partitions": PARTITIONS})
    write_files(folder, settings)
    return folder


def tool(*names: str) -> str:
    """The first of these tools that is here; else the test skips, saying so."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{' or '.join(names)} is not on PATH")
    return found


def run(*words: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=60,
        env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(folder: Path) -> list[dict[str, Any]]:
    return [
        one for path in sorted(folder.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one
    ]


def plain(folder: Path) -> list[Path]:
    return [path for kind in KINDS for path in sorted((folder / kind).rglob("*")) if path.is_file()]


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
        name: one["command"][0] for name, one in services.items() if "quant-bands:" in one.get("image", "")
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
    )


def test_compose_is_closed_and_comes_back(written: Path) -> None:
    told = yaml.safe_load((written / "container" / "compose.yaml").read_text())
    for name, one in told["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ())), name
        assert one["restart"] == ("no" if name == "ops" else "always"), name
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


def test_kubernetes_manifests_fit_their_schemas(written: Path) -> None:
    found = [one for one in documents(written / "kubernetes") if one["kind"] != "Kustomization"]
    assert len(found) > 20
    for one in found:
        kubernetes_validate.validate(one, "1.31", strict=True)


def test_kustomize_builds_the_whole(written: Path) -> None:
    told = run(tool("kubectl"), "kustomize", ".", cwd=written / "kubernetes")
    kinds = [one["kind"] for one in yaml.safe_load_all(told)]
    assert len(kinds) == len(documents(written / "kubernetes")) - 1


def test_kubernetes_serves_one_partition_per_replica_and_gains_nothing(written: Path) -> None:
    found = documents(written / "kubernetes")
    sets = {one["metadata"]["name"]: one for one in found if one["kind"] in {"StatefulSet", "Deployment"}}
    worker = sets["worker"]["spec"]
    assert worker["replicas"] == PARTITIONS
    config = next(one for one in found if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "bands")
    assert config["data"]["BANDS_STREAM__PARTITIONS"] == str(PARTITIONS)
    shell = worker["template"]["spec"]["containers"][0]["command"]
    expression = shell[2].replace("exec bands", "echo")
    told = subprocess.run(
        [*shell[:2], expression], env={"POD_NAME": "worker-2"}, capture_output=True, check=True
    )
    assert told.stdout.split() == [b"worker", b"--partition", b"2"]
    for name, one in sets.items():
        pod = one["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert "livenessProbe" in container, name
            assert "readinessProbe" in container, name
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            claims = {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", ())}
            assert mounted == {volume["name"] for volume in pod["volumes"]} | claims, name
    policies = [one for one in found if one["kind"] == "NetworkPolicy"]
    assert any(
        one["spec"]["podSelector"] == {} and "Ingress" in one["spec"]["policyTypes"] for one in policies
    )


def test_valkey_starts_from_the_configuration(written: Path, tmp_path: Path) -> None:
    """The real server reads it, but for its folders and port."""
    from ops.embedded import free_port
    from ops.embedded.binary import server_binary

    text = (written / "container" / "valkey.conf").read_text()
    port = free_port()
    (tmp_path / "users.acl").write_text("user default off\nuser admin on nopass ~* &* +@all\n")
    for old, new in (
        ("dir /data", f"dir {tmp_path}"),
        ("aclfile /etc/valkey/users.acl", f"aclfile {tmp_path}/users.acl"),
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


def test_monitoring_finds_the_services_by_name_and_the_webhook_in_its_secret(written: Path) -> None:
    folder = written / "container" / "monitoring"
    assert "worker:8100" in (folder / "targets" / "workers.yml").read_text()
    assert "http://prometheus:9090" in (folder / "grafana" / "datasource.yml").read_text()
    routes = yaml.safe_load((folder / "alertmanager.yml").read_text())
    hooks = [hook for one in routes["receivers"] for hook in one["webhook_configs"]]
    assert {hook.get("url_file") for hook in hooks} == {"/run/secrets/webhook"}
    compose = yaml.safe_load((written / "container" / "compose.yaml").read_text())
    for one in compose["services"].values():
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and source != "./users.acl":
                assert (written / "container" / source).exists(), source


def test_prometheus_takes_its_configuration(written: Path) -> None:
    run(tool("promtool"), "check", "config", "prometheus.yml", cwd=written / "container" / "monitoring")
