"""Where settings come from: nested values, each with the name of its origin."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from contracts.errors import BadInputError

PREFIX = "BANDS_"
FILE_VARIABLE = "BANDS_CONFIG"
FILE_NAME = "bands.toml"


class SettingsError(BadInputError):
    """A setting is unknown or out of range; the message names it, its source and what was expected."""


@dataclass(frozen=True)
class Layer:
    """One source's values as nested dicts, and the origin of each by its dotted name."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


class LayerSource(PydanticBaseSettingsSource):
    """A layer in the form pydantic-settings asks for."""

    def __init__(self, model: type[BaseSettings], layer: Layer) -> None:
        super().__init__(model)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """One top-level value; required by the base class."""
        return self._layer.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:  # noqa: D102
        return self._layer.values


def arguments_layer(arguments: Mapping[str, Any]) -> Layer:
    """The arguments of a call; sections may be dicts or models (then only what was set counts)."""
    values = {
        name: value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        for name, value in arguments.items()
    }
    return Layer(values, {name: "argument" for name, _ in leaves(values)})


def environment_layer(environment: Mapping[str, str] | None = None) -> Layer:
    """Variables `BANDS_NAME` and `BANDS_SECTION__NAME`; empty ones count as not set.

    >>> environment_layer({"BANDS_WORKER__HTTP_PORT": "9000", "HOME": "/"}).values
    {'worker': {'http_port': '9000'}}
    """
    layer = Layer()
    for variable, text in sorted((os.environ if environment is None else environment).items()):
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE or not text:
            continue
        *sections, name = variable.removeprefix(PREFIX).lower().split("__")
        target = layer.values
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise SettingsError(
                    f"Expected either {PREFIX}{section.upper()} or its parts, found both: drop one of them."
                )
        target[name] = text
        layer.origins[".".join((*sections, name))] = variable
    return layer


def file_layer() -> Layer:
    """The file that `BANDS_CONFIG` names, else `bands.toml` in the working folder if there is one.

    Raises:
        SettingsError: the named file does not exist, or is not TOML.
    """
    named = os.environ.get(FILE_VARIABLE)
    path = Path(named or FILE_NAME)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if not named:
            return Layer()
        raise SettingsError(
            f"Expected a settings file at {path} ({FILE_VARIABLE} names it), found none: "
            f"correct or unset {FILE_VARIABLE}."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"Expected a readable settings file at {path}, found: {error.strerror or error}."
        ) from None
    try:
        values = tomllib.loads(content.decode())
    except ValueError as error:
        raise SettingsError(f"Expected TOML in {path}, found: {error}. Correct the file there.") from None
    return Layer(values, {name: str(path) for name, _ in leaves(values)})


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is not itself a section, with its dotted name.

    >>> list(leaves({"a": 1, "b": {"c": 2}}))
    [('a', 1), ('b.c', 2)]
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def mask(value: object) -> str:
    """The value as text, without the credentials a URL may hold.

    >>> mask("rediss://user:p@ss@db:6379/0?password=x&db=1")
    'rediss://***@db:6379/0?password=***&db=1'
    """
    text = re.sub(r"(?<=://)\S*@", "***@", str(value))
    return re.sub(r"(?i)((?:password|passwd|secret|token)=)[^&\s]*", r"\1***", text)
