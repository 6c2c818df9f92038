"""Shell lines taken apart, and `bands` lines given to the real parser without running anything."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

from ops.docs.commands import commands

_OPERATORS = {"|", "||", "&&", "&", ";", "(", ")"}
_REDIRECTIONS = {">", ">>", "<", "2>", ">&", "<<"}


def simple_commands(line: str) -> list[list[str]]:
    """The words of each simple command in a line: no operators, redirections or variables set before it.

    >>> simple_commands("BANDS_X=1 bands status --json | head -1 > out.txt")
    [['bands', 'status', '--json'], ['head', '-1']]
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word in _OPERATORS:
            found.append([])
        elif word in _REDIRECTIONS:
            next(words, None)
        elif found[-1] or not re.match(r"^[A-Za-z_]\w*=", word):
            found[-1].append(word)
    return [words for words in found if words]


@cache
def _known() -> dict[str, Any]:
    return dict(commands())


def refusal(words: list[str]) -> str | None:
    """Why the command line would refuse a `bands` command, or None: it is parsed as it would be run."""
    known = _known()
    path = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known), None)
    if path is None:
        if words[1:] in (["--help"], ["COMMAND", "--help"]):
            return None
        return f"expected a command that there is, found {' '.join(words)}"
    rest = words[len(path.split()) :]
    if "--help" in rest:
        return None
    try:
        known[path].make_context(path, list(rest))
    except Exception as error:  # noqa: BLE001 - whatever the parser says is what a user would be told
        return f"{path} refuses {' '.join(rest)}: {getattr(error, 'message', '') or error}"
    return None
