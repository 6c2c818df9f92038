"""Tables and text of a generated page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Generated from the code by `make docs`. Change the docstrings there, not this page. -->"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table.

    >>> print(table(("name", "is"), [("`a|b`", "two")]))
    | name | is |
    | --- | --- |
    | `a\\|b` | two |
    """
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell(one) for one in line) + " |" for line in lines)


def cell(text: str) -> str:
    """Text that a table's cell can hold: one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join((f"# {title}", NOTICE, *(part.strip() for part in parts))) + "\n"


def first_sentence(text: str) -> str:
    """The first paragraph of a docstring, on one line.

    >>> first_sentence("One line\\n    and more.\\n\\n    The rest.")
    'One line and more.'
    """
    return " ".join(text.strip().split("\n\n")[0].split())
