"""The page of every command and option, read from the command line itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from ops.cli.app import app
from ops.console import EXIT_CODES
from ops.docs.markdown import page, table
from ops.docs.types import words

INTRODUCTION = f"""
`bands --help` lists the commands, `bands COMMAND --help` one command's options. Options that repeat take all
their values at once: `--horizons 42 48`. Where a machine would read the answer there is `--json`. Long work
shows its progress on standard error, can be interrupted, and goes on from what is there.

{EXIT_CODES} Services have two more: 70, the reader died; 75, another owner took over. Supervisors restart
them whatever the code.
"""


def commands_page() -> str:
    """The whole page, in the order of `bands --help`."""
    found = list(commands())
    index = table(
        ("command", "does"),
        [(f"[`{path}`](#{path.replace(' ', '-')})", _lines(command.help)[0]) for path, command in found],
    )
    return page("Commands", INTRODUCTION, index, *(_section(path, command) for path, command in found))


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it, groups left out."""
    yield from _below(typer.main.get_command(app), "bands")


def _below(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    context = typer.Context(group, info_name=prefix)
    for name in group.list_commands(context):
        command = group.resolve_command(context, [name])[1]
        if hasattr(command, "list_commands"):
            yield from _below(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _section(path: str, command: Any) -> str:
    lines = _lines(command.help)
    parts = [f"## {path}", *lines]
    if command.epilog:
        example = re.sub(r"^Examples?:\s*", "", inspect.cleandoc(command.epilog))
        parts.append(f"Example: `{' '.join(example.split())}`")
    shown = [one for one in command.params if not one.hidden and one.name != "help"]
    if shown:
        rows = [(_name(one), _kind(one), _default(one), _help(one)) for one in shown]
        parts.append(table(("option", "value", "default", "meaning"), rows))
    return "\n\n".join(parts)


def _lines(text: str | None) -> list[str]:
    """The paragraphs of a command's help, each on one line."""
    return [" ".join(part.split()) for part in inspect.cleandoc(text or "").split("\n\n") if part.strip()]


def _name(one: Any) -> str:
    if one.param_type_name == "argument":
        name = (one.metavar or one.name.upper()).strip("[]").rstrip(".")
        return f"`{name}`" + ("" if one.required else " (optional)")
    told = ", ".join(f"`{word}`" for word in (*one.opts, *one.secondary_opts))
    return told + (" (required)" if one.required else "")


def _kind(one: Any) -> str:
    if getattr(one, "is_flag", False):
        return "flag"
    told = words(one.type_descriptor.annotation)
    told += "" if one.min is None else f", at least {one.min:g}"
    return told + ("" if one.max is None else f", at most {one.max:g}")


def _default(one: Any) -> str:
    if one.default in (None, (), [], "") or (one.default is False and not one.secondary_opts):
        return ""
    if getattr(one, "is_flag", False) and one.secondary_opts:
        return f"`{one.opts[0] if one.default else one.secondary_opts[0]}`"
    return f"`{one.default}`"


def _help(one: Any) -> str:
    return re.sub(r"\\\[", "[", one.help or "")
