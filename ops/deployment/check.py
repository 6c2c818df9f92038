"""The pre-deployment check: everything that can be known before anything is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError

from contracts.errors import UnavailableError
from contracts.model.bundle import Bundle
from ops.deployment.checks import access, machine, packaged, prediction, registry, server
from ops.deployment.finding import Finding, looked_at
from ops.deployment.package import Opened
from ops.release.connect import streams
from ops.settings import Settings

ASSUMED_BYTES = machine.GB // 10
"""What a package is taken to weigh where none is named; the published sizes make 60 MB."""


def check(
    settings: Settings,
    package: Opened | None = None,
    *,
    role: access.Role = "worker",
    workers_needed: bool = False,
) -> list[Finding]:
    """Look at package, machine, server and registry; nothing is changed.

    Without a package, only what surrounds it is looked at. `workers_needed` makes an absent worker a failure.
    """
    found: list[Finding] = []
    if package is not None:
        opened = package
        found += looked_at("package", lambda: packaged.package_findings(opened, settings), "pack it again")
        found += looked_at("dry prediction", lambda: _predicted(opened.bundle), "train the bundle again")
    size = machine.size_of(package.source) if package is not None else ASSUMED_BYTES
    found += looked_at("free disk", lambda: [machine.disk(settings, size)], "look at the workspace")
    found += looked_at("registry", lambda: registry.registry_findings(settings), "look at the registry")
    advice = "set deploy.workers to each worker's own pages"
    found += looked_at("workers", lambda: registry.worker_findings(settings, needed=workers_needed), advice)
    return found + _of_the_server(settings, package.bundle if package is not None else None, role)


def _predicted(bundle: Bundle) -> Iterator[Finding]:
    yield from prediction.prediction_findings(bundle)
    yield prediction.age_of_states(bundle, time.time())


def _of_the_server(settings: Settings, bundle: Bundle | None, role: access.Role) -> list[Finding]:
    try:
        with streams(settings) as client:
            client.ping()
            return _asked(client, settings, bundle, role)
    except (RedisError, UnavailableError, OSError, RuntimeError) as error:
        told = next(iter(str(error).splitlines()), type(error).__name__)
        return [Finding("server", "fail", told, "start it, or correct redis.url, its user and its password")]


def _asked(client: Any, settings: Settings, bundle: Bundle | None, role: access.Role) -> list[Finding]:
    found = looked_at("server", lambda: server.server_findings(client, settings), "look at the server")
    found += looked_at("clock", lambda: machine.clocks(client, settings), "look at the clocks")
    found += looked_at("access", lambda: access.access_findings(client, settings, role), "`bands acl`")
    if bundle is not None:
        found += looked_at("switch", lambda: registry.switch_findings(client, settings, bundle), "see above")
    return found
