"""The report as Markdown."""

from __future__ import annotations

import re

from offline.report.document import Block, Bullets, Figure, Paragraph, Report, Table

_SPECIAL = re.compile(r"([\\`*<>|#~])")
_LINK = re.compile(r"\](?=[(\[:])")
_EDGE_UNDERSCORE = re.compile(r"(?<!\w)_|_(?!\w)")


def to_markdown(report: Report, html_name: str) -> str:
    """The whole report; figures are named, with a pointer to the page `html_name`."""
    lines = [
        f"# {escaped(report.title)}",
        "",
        escaped(report.subtitle),
        "",
        f"**Verdict: {escaped(report.verdict)}.** {escaped(report.because)}",
        "",
    ]
    for section in report.sections:
        lines += [f"## {escaped(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block, html_name), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def escaped(text: str) -> str:
    """Plain text that Markdown shows as it is, on one line.

    >>> escaped("a|b <script> [x](y)")
    'a\\\\|b \\\\<script\\\\> [x\\\\](y)'
    """
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text).split())
    return _EDGE_UNDERSCORE.sub(r"\\_", _LINK.sub(r"\\]", _SPECIAL.sub(r"\\\1", line)))


def _block(block: Block, html_name: str) -> list[str]:
    if isinstance(block, Paragraph):
        return [f"> {escaped(block.text)}" if block.notice else escaped(block.text)]
    if isinstance(block, Bullets):
        return [f"- {escaped(item)}" for item in block.items]
    if isinstance(block, Figure):
        return [f"*Figure in {html_name}: {escaped(block.caption)}* ({escaped(block.source)})"]
    return _table(block)


def _table(table: Table) -> list[str]:
    rule = ["---:" if side == "r" else "---" for side in table.align]
    cells = [[escaped(cell) for cell in row] for row in (table.headings, *table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
    note = f" {escaped(table.note)}" if table.note else ""
    return [f"**{escaped(table.caption)}** ({escaped(table.source)}).{note}", "", *lines]
