"""The pods: valid, one for each partition, and each with the secrets and ways it needs alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.ops.deployment.written import PARTITIONS, documents, run, tool, write_all


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("files"))


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


def test_kubernetes_keeps_the_registry_from_feed_and_dashboard(written: Path) -> None:
    """Neither its password, nor its session key, nor a way to it; sessions' key is in no other pod either."""
    found = documents(written / "kubernetes")
    reading = set()
    for one in found:
        if one["kind"] not in {"StatefulSet", "Deployment"} or one["metadata"]["name"] == "mlflow":
            continue
        name, pod = one["metadata"]["name"], one["spec"]["template"]["spec"]
        held = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
        maps = {source["configMapRef"]["name"] for source in pod["containers"][0].get("envFrom", ())}
        for secret in (one for one in held if one["secretName"] == "mlflow"):
            assert [item["key"] for item in secret["items"]] == ["admin-password"], name
            reading.add(name)
        assert ("registry" in maps) == (name in reading), name
    assert reading == {"worker", "retrainer"}
    maps = {one["metadata"]["name"]: one["data"] for one in found if one["kind"] == "ConfigMap"}
    assert not [key for key in maps["bands"] if "REGISTRY" in key]
    everybody = {"worker", "retrainer", "feed", "dashboard", "ops"}
    into = {name: reaching(found, name) for name in ("mlflow", "valkey")}
    assert into["mlflow"] == ({"worker", "retrainer", "ops"}, {5000}, False)
    assert into["valkey"] == (everybody, {6379}, True)
    out = {name: reached(found, name) for name in everybody}
    assert {name for name, ports in out.items() if 5000 in ports} == {"worker", "retrainer", "ops"}
    assert all(6379 in ports for ports in out.values())


def chosen(selector: dict[str, Any]) -> set[str]:
    """The names a selector of pods stands for."""
    key = "app.kubernetes.io/name"
    names = {selector["matchLabels"][key]} if key in selector.get("matchLabels", {}) else set()
    return names | {name for one in selector.get("matchExpressions", ()) for name in one["values"]}


def reaching(found: list[dict[str, Any]], name: str) -> tuple[set[str], set[int], bool]:
    """Who may reach these pods, at which ports, and whether other namespaces may."""
    specs = [one["spec"] for one in found if one["kind"] == "NetworkPolicy"]
    rules = [r for s in specs if name in chosen(s["podSelector"]) for r in s.get("ingress", ())]
    peers = [peer for rule in rules for peer in rule["from"]]
    pods = {pod for peer in peers if "podSelector" in peer for pod in chosen(peer["podSelector"])}
    ports = {port["port"] for rule in rules for port in rule["ports"]}
    return pods, ports, any("namespaceSelector" in peer for peer in peers)


def reached(found: list[dict[str, Any]], name: str) -> set[int]:
    """The ports of our own pods which these pods may reach, where ports are named."""
    specs = [one["spec"] for one in found if one["kind"] == "NetworkPolicy"]
    rules = [r for s in specs if name in chosen(s["podSelector"]) for r in s.get("egress", ())]
    return {port["port"] for rule in rules for port in rule.get("ports", ())}
