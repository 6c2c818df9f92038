"""A field's type in the words of a settings file or of JSON."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "text, secret",
    datetime: "time",
}


def in_words(info: FieldInfo) -> str:
    """The type of a model's field, with its limits.

    >>> from ops.settings.sections import ReleaseSettings
    >>> in_words(ReleaseSettings.model_fields["alpha"])
    'number, above 0, at most 0.5'
    """
    told, limits = words(info.annotation), _limits(info.metadata)
    return ", ".join((told, *limits))


def words(kind: Any) -> str:
    """A type without the limits of a field.

    Raises:
        LookupError: it has no words here yet.
    """
    if kind in _NAMES:
        return _NAMES[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return ", ".join((words(arguments[0]), *_limits(arguments[1:])))
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(words(one) for one in arguments if one is not type(None))
    if origin in (tuple, list):
        return f"list of {words(arguments[0])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    raise LookupError(f"expected a type with words in ops/docs/types.py, found {kind}; add it there")


def _limits(metadata: Any) -> list[str]:
    told = []
    for one in metadata:
        if isinstance(one, FieldInfo):
            told += _limits(one.metadata)
            continue
        for attribute, words in (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most")):
            if (value := getattr(one, attribute, None)) is not None:
                told.append(f"{words} {value:,}".replace(",", " ") if value >= 10_000 else f"{words} {value}")
        if isinstance(one, annotated_types.MaxLen):
            told.append(f"at most {one.max_length} characters")
    return told
