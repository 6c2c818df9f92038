"""The report before it is Markdown or HTML: text, tables and figures. All text is plain, writers escape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

STATUSES = {
    "pass": "good",
    "met": "good",
    "ideal": "good",
    "not seen": "good",
    "minimum": "fair",
    "unknown": "fair",
    "open": "fair",
    "fail": "bad",
    "missed": "bad",
    "seen": "bad",
}
"""Cells that are a judgement, and how it reads: good, fair or bad."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences. `notice` sets them apart: something is missing or needs care."""

    text: str
    notice: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings; `align` has one letter a column, l or r."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.headings)]
        if wrong or len(self.align) != len(self.headings):
            raise ValueError(
                f"expected {len(self.headings)} cells in table {self.caption!r}, found {wrong[:1]}"
            )


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the HTML page; Markdown names it and tells its caption."""

    name: str
    caption: str
    figure: go.Figure
    source: str


Block = Paragraph | Bullets | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what is under it."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report: the verdict (`GO`, `NO-GO`, `NOT DECIDED`) with its sentence, then sections."""

    title: str
    subtitle: str
    verdict: str
    because: str
    sections: Sequence[Section]
