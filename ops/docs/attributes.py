"""The docstrings that stand below fields and constants, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from types import ModuleType
from typing import Any

from pydantic import BaseModel


def docstrings(owner: type[Any] | ModuleType) -> dict[str, str]:
    """The text below each annotated or plain assignment in a class or module, by name.

    >>> from ops.settings.sections import ReleaseSettings
    >>> docstrings(ReleaseSettings)["poll_interval_s"]
    'How often `bands shadow --follow` looks.'
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else tree.body
    found: dict[str, str] = {}
    for before, statement in itertools.pairwise(body):
        text = _text(statement)
        if text is None:
            continue
        for name in _names(before):
            found[name] = " ".join(text.split())
    return found


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The same of every field of a model, inherited ones included; a pydantic description counts too."""
    told: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner is not BaseModel and issubclass(owner, BaseModel):
            told |= docstrings(owner)
    described = {n: info.description for n, info in model.model_fields.items() if info.description}
    return {name: text for name, text in (told | described).items() if name in model.model_fields}


def _text(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return text
    return None


def _names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []
