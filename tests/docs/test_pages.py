"""What the pages point at is there: links, anchors, files, tests, settings, streams, alerts, metrics."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ops.docs import stale
from ops.docs.streams import all_names
from ops.security.audit import REQUIRED
from ops.settings import Settings
from ops.settings.names import valid_names
from tests.docs.pages import ROOT, Block, blocks, name_of, pages, prose

PAGES = pytest.mark.parametrize("page", pages(), ids=name_of)
FILES = re.compile(r"\.(toml|jsonl?|md|html|py|ya?ml|conf|csv|key|pem|parquet|service)$")
PARAMETERS = {"bands_only"}
"""Names of arguments that look like metrics."""
FOLDERS = ("contracts", "offline", "worker", "ops", "tests", "docs", "examples", "requirements")


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} (.+?)\s*#*$", prose(page), re.M):
        found[slug(heading)] = found.get(slug(heading), 0) + 1
    numbered = {f"{name}-{n}" for name, count in found.items() for n in range(1, count)}
    return set(found) | numbered | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", page.read_text()))


@PAGES
def test_links_and_images_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"!?\[[^]]*\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(there), f"{name_of(page)} links to {target}; no such heading"


@PAGES
def test_no_path_of_this_machine(page: Path) -> None:
    text = page.read_text()
    for path in (str(ROOT), str(Path.home())):
        assert path not in text, f"{name_of(page)} holds {path}"
    assert not re.search(r"/(home|Users)/\w", text), name_of(page)


@PAGES
def test_every_setting_named_exists(page: Path) -> None:
    known = set(valid_names(Settings))
    variables = (
        {"BANDS_" + name.upper().replace(".", "__") for name in known} | {"BANDS_CONFIG"} | _composed()
    )
    for variable in set(re.findall(r"\bBANDS_[A-Z][A-Z0-9_]*[A-Z0-9]\b", page.read_text())):
        assert variable in variables, f"{name_of(page)} names {variable}; no such setting"
    streams = set(all_names())
    for name in set(re.findall(r"`([a-z]+\.[a-z][\w.*]*)`", prose(page))):
        section = name.partition(".")[0]
        if section not in Settings.model_fields:
            continue
        if FILES.search(name) or name in known or name in streams:
            continue
        assert _matches(name, streams | known), f"{name_of(page)} names `{name}`: no setting, stream or key"


def _composed() -> set[str]:
    """Variables that are no settings: read by the compose file, or by the audit of dependencies."""
    files = (ROOT / "ops" / "deployment" / "files").rglob("compose*")
    return {name for file in files for name in re.findall(r"\$\{(BANDS_\w+)", file.read_text())} | {REQUIRED}


def _matches(name: str, known: set[str]) -> bool:
    """Whether a name with a star, `feed.*`, stands for names that there are."""
    if "*" not in name:
        return False
    pattern = re.compile(re.escape(name).replace(r"\*", ".*"))
    return any(pattern.fullmatch(one) for one in known)


@PAGES
def test_every_stream_named_exists(page: Path) -> None:
    horizons = {name for name in all_names() if re.search(r"\.T\d+$", name)}
    for name in set(re.findall(r"\b((?:bands|outcomes|shadow)\.T\d+)", page.read_text())):
        assert name in horizons, f"{name_of(page)} names {name}; no such stream"
    for name in set(re.findall(r"`((?:bars|alerts|releases|latest)[.:][\w.{}:]+)`", prose(page))):
        plain = re.sub(r"\.\{\d+\}$", "", name)
        known = {one.replace("SYMBOL", "") for one in all_names()}
        assert plain in known or any(plain.startswith(one) for one in known if one.endswith(":")), name


@PAGES
def test_every_test_and_file_named_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # it tells of what was
    text = prose(page)
    file = ""
    for named in re.findall(r"`([\w./{}-]+(?:::\w+)?|test_\w+)`", text):
        path, _, test = named.partition("::")
        if named.startswith("test_") and file and "." not in named:
            path, test = file, named
        if path.split("/")[0] not in FOLDERS or "/" not in path:
            continue
        assert (ROOT / path).exists(), f"{name_of(page)} names {named}, which is not there"
        if test:
            file = path
            assert re.search(rf"def {test}\b", (ROOT / path).read_text()), f"{name_of(page)} names {named}"


@PAGES
def test_every_alert_and_metric_named_exists(page: Path) -> None:
    from offline.retrain.metrics import REGISTRY as RETRAINER
    from ops.monitoring.rules import ALERTS
    from worker.metrics import REGISTRY as WORKER

    alerts = {alert.name for alert in ALERTS}
    for name in set(re.findall(r"\bBands[A-Z][a-z]+[A-Z]?\w*", prose(page))):
        assert name in alerts, f"{name_of(page)} names {name}; no such alert"
    known = set()
    for registry in (WORKER, RETRAINER, *_feed_registries()):
        known |= set(registry._names_to_collectors)
    for name in set(re.findall(r"`(bands_[a-z_0-9]+)", page.read_text())):
        assert name in known | PARAMETERS, f"{name_of(page)} names {name}; no such metric"


def _feed_registries() -> list[object]:
    from ops.feed import metrics

    return [value for value in vars(metrics).values() if hasattr(value, "_names_to_collectors")]


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.where)
def test_settings_files_shown_are_believed(block: Block) -> None:
    told = tomllib.loads(block.body)
    if set(told) <= set(Settings.model_fields):
        Settings(**told)


def test_generated_pages_say_what_the_code_says() -> None:
    assert not stale(), "run `make docs`"
