"""Keys that do not exist, and values that are out of range, told in sentences."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from ops.settings.sources import SettingsError, mask


def valid_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted name of every setting, in the model's order."""
    names: list[str] = []
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += valid_names(kind, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def refuse_unknown(model: type[BaseModel], origins: Mapping[str, str]) -> None:
    """Raise SettingsError for the first key that `model` does not have, with the nearest it has."""
    valid = valid_names(model)
    for name, origin in origins.items():
        if name in valid:
            continue
        last = name.rpartition(".")[2]
        nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.6) or [
            known for known in valid if known.rpartition(".")[2] == last
        ]
        if any(known.startswith(f"{name}.") for known in valid):
            raise SettingsError(f"Expected {name} to be a section of settings, found one value in {origin}.")
        advice = f"the nearest is {nearest[0]}" if nearest else f"the known ones are {', '.join(valid)}"
        raise SettingsError(f"Expected a known setting, found {name} in {origin}: {advice}.")


def sentences(error: ValidationError, origins: Mapping[str, str]) -> str:
    """What pydantic found, a sentence each: expected, found, where."""
    found = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        rule = problem["msg"].removeprefix("Value error, ")
        should = rule.removeprefix("Input should ")
        if not name:
            found.append(f"Expected the settings to {should}: change one of the two.")
            continue
        expected = f"{name} to {should}" if should != rule else f"a valid {name} ({rule})"
        source = origins.get(name) or next((o for n, o in origins.items() if name.startswith(n)), "argument")
        value = repr(mask(problem["input"]))
        found.append(f"Expected {expected}, found {value} in {source}: correct it there.")
    return "\n".join(found)
