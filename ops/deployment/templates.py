"""The files that run the whole: written out with what a deployment's settings say filled in."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

from contracts.errors import BadInputError
from contracts.files import write_atomic
from offline.package.wheel import PROJECT
from ops.monitoring.files import generated
from ops.monitoring.routing import PAGE_URL, TICKET_URL
from ops.settings import Settings

KINDS = ("container", "systemd", "launchd", "kubernetes")
PLACEHOLDER = re.compile(r"@([A-Z][A-Z_]*)@")
TARGETS = {
    "workers": ("worker:8100",),
    "retrainers": ("retrainer:8101",),
    "feeds": ("feed:8102",),
    "alertmanagers": ("alertmanager:9093",),
}
WEBHOOK = "url_file: /run/secrets/webhook"
THERE = (
    (f"url: {PAGE_URL}", WEBHOOK),
    (f"url: {TICKET_URL}", WEBHOOK),
    ("http://127.0.0.1:9090", "http://prometheus:9090"),
)
"""What is on loopback without containers."""
SKIPPED = {"__pycache__", ".pytest_cache"}


def write_files(folder: Path, settings: Settings, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Write the files of `kinds` into a folder each under `folder`; the paths written, in order.

    What is there and equal stays; what is there and differs was edited, and is kept: the new one is written
    beside it as `NAME.new`.

    Raises:
        BadInputError: an unknown kind.
    """
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise BadInputError(f"expected --kind among {', '.join(KINDS)}, found {', '.join(unknown)}")
    values = placeholders(settings)
    written = []
    with as_file(files("ops.deployment") / "files") as source:
        for kind in kinds:
            for path in _plain(source / kind):
                target = folder / kind / path.relative_to(source / kind)
                written.append(_write(target, fill(path.read_text(), values, path).encode()))
    if "container" in kinds:
        written += list(_monitoring(folder / "container" / "monitoring"))
    return written


def placeholders(settings: Settings) -> Mapping[str, str]:
    """What stands for `@NAME@` in the files."""
    count = settings.stream.partitions
    return {
        "VERSION": version(PROJECT),
        "PARTITIONS": str(count),
        "WORKER_PORT": str(settings.worker.http_port),
        "WORKER_URLS": ",".join(f"http://worker-{p}.worker:8100" for p in range(count)),
        "WORKSPACE": str(settings.workspace_path),
        "BANDS": str(Path(sys.executable).with_name("bands")),
        "USER": "bands",
    }


def fill(text: str, values: Mapping[str, str], where: object = "text") -> str:
    """`text` with every placeholder replaced.

    Raises:
        BadInputError: it has one that nothing is known for.

    >>> fill("run @USER@", {"USER": "ada"})
    'run ada'
    """

    def value(found: re.Match[str]) -> str:
        try:
            return values[found[1]]
        except KeyError:
            raise BadInputError(f"expected a known placeholder in {where}, found {found[0]}") from None

    return PLACEHOLDER.sub(value, text)


def _monitoring(folder: Path) -> Iterator[Path]:
    """The monitoring configuration, for services that find each other by their names in the compose file."""
    for name, text in generated(TARGETS).items():
        for here, there in THERE:
            text = text.replace(here, there)
        if not name.endswith(".test.yml"):
            yield _write(folder / name, text.encode())


def _plain(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and not SKIPPED & set(p.parts)]


def _write(target: Path, data: bytes) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.read_bytes() != data:
        target = target.with_name(f"{target.name}.new")
    write_atomic(target, data)
    return target
