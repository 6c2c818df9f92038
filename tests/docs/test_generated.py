"""The generated pages name everything there is, and are known to be stale once they no longer do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.cli.app import COMMANDS
from ops.docs import GENERATED, stale, write_pages
from ops.docs.__main__ import main
from ops.docs.meanings import OWN, meaning
from ops.docs.streams import all_names, streams_page
from ops.settings import Settings
from ops.settings.names import valid_names
from tests.docs.shell import refusal, simple_commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("pages")
    write_pages(written)
    return written


def test_every_setting_has_its_row(folder: Path) -> None:
    page = (folder / "settings.md").read_text()
    for name in valid_names(Settings):
        assert f"| `{name}` | `BANDS_{name.upper().replace('.', '__')}` |" in page


def test_every_command_has_its_section(folder: Path) -> None:
    page = (folder / "cli.md").read_text()
    for name in COMMANDS:
        assert f"## bands {name}" in page


def test_every_stream_is_named(folder: Path) -> None:
    page = (folder / "streams.md").read_text()
    for name in all_names():
        shown = name if not name[-2:].isdigit() else name[:-2]
        assert f"`{shown}" in page


def test_a_page_that_fell_behind_is_found(folder: Path, tmp_path: Path) -> None:
    for name in GENERATED:
        (tmp_path / name).write_text((folder / name).read_text())
    assert stale(tmp_path) == []
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "settings.md").write_text("# Settings\n")
    (tmp_path / "cli.md").unlink()
    assert stale(tmp_path) == [tmp_path / "cli.md", tmp_path / "settings.md"]
    assert main(["--check", "--folder", str(tmp_path)]) == 1


def test_a_field_nobody_explained_stops_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LookupError, match=r"Band\.novelty"):
        meaning("Band", "novelty", {})
    monkeypatch.delitem(OWN, "Bar.volume")  # type: ignore[arg-type]
    with pytest.raises(LookupError, match=r"Bar\.volume"):
        streams_page()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bands trian", "a command that there is"),
        ("bands train --bars a.csv --unheard", "--unheard"),
        ("bands worker --partition first", "--partition"),
        ("bands retrain", "reason"),
    ],
)
def test_a_line_that_would_be_refused_is_found(line: str, words: str) -> None:
    assert words in (refusal(simple_commands(line)[0]) or "")
