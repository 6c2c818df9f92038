"""The pages of the documentation, their code blocks and what the comment before each block says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

TESTED_BY = {
    "docs/DEPLOYMENT_GUIDE.md": "tests/ops/deployment/test_guide.py",
    "docs/security.md": "tests/ops/security/test_docs.py",
    "docs/subscribe.md": "tests/contracts/client/test_docs.py",
    "docs/schema-evolution.md": "tests/contracts/client/test_docs.py",
    "docs/runbooks/alerts.md": "tests/ops/monitoring/test_files.py",
}
"""Pages whose commands are run by the tests of the part they are about; here they are checked as all are."""

SHELLS = ("bash", "sh", "shell", "console")
_BLOCK = re.compile(
    r"(?:^<!--(?P<note>.*?)-->\n+)?^(?P<tick>```+)(?P<kind>\w*)\n(?P<body>.*?)^(?P=tick)", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the comment before it."""

    page: str
    line: int
    kind: str
    body: str
    note: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    def told(self, key: str) -> str | None:
        """What follows `key:` in the comment, or None."""
        found = re.match(rf"\s*{key}:\s*(.*?)\s*$", self.note, re.S)
        return found.group(1) if found else None

    @property
    def commands(self) -> list[str]:
        """A shell block's lines, continued ones joined, comments gone."""
        joined = self.body.replace("\\\n", " ")
        lines = [re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.splitlines()]
        if self.kind == "console":
            lines = [line for line in lines if line.startswith("$ ")]
        lines = [line.removeprefix("$ ") for line in lines]
        return [re.sub(r"\s+", " ", line) for line in lines if line]


def pages() -> list[Path]:
    """README, changelog and everything under docs."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(*kinds: str) -> list[Block]:
    """Every block of these languages, in the order of pages and lines."""
    return [block for page in pages() for block in blocks_of(page) if block.kind in kinds]


def blocks_of(page: Path) -> list[Block]:
    text, found = page.read_text(), list[Block]()
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("tick")) + 1
        note = (match["note"] or "").strip()
        found.append(Block(name_of(page), line, match["kind"], match["body"], note))
    return found


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _BLOCK.sub("", page.read_text())
