"""The page of every setting: name, variable, type, default, meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ops.docs.attributes import field_docstrings
from ops.docs.markdown import first_sentence, page, table
from ops.docs.types import in_words
from ops.settings import Settings

INTRODUCTION = """
One model holds every setting of every command. Three sources, the earlier one wins: an option on the
command line, an environment variable, a settings file. The file is `bands.toml` in the working folder, or
the one that `BANDS_CONFIG` names. Names end with their unit: `_s` seconds, `_ms` milliseconds, `_days`,
`_gb`.

```toml
workspace = "var"

[stream]
partitions = 2

[redis]
url = "rediss://streams.example:6380"
username = "worker"
password_file = "secrets/worker"
tls_ca_file = "secrets/ca.pem"
```

The same by variables: `BANDS_STREAM__PARTITIONS=2`. Section and name are parted by two underscores; lists
are parted by commas; an empty variable counts as not set. A key that does not exist is an error that names
the nearest one that does. `bands status --settings` lists every value in force and where it comes from,
secrets masked.
"""

Row = tuple[str, str, str, str, str]

SHARED: Mapping[str, str] = {
    "http_host": "Address of its own pages; another than loopback is open to the network.",
    "http_port": "Port of its own pages.",
    "sweep_interval_s": "How often the pending list and the lock are looked at.",
}
OWN: Mapping[str, str] = {
    "registry.timeout_s": "How long one answer of the registry may take.",
    "registry.alias": "The alias whose bundle is champion: what workers serve.",
    "registry.challenger_alias": "The alias whose bundle runs in shadow.",
    "train.seed": "Of everything that is random in tuning and training.",
    "train.threads": "Cores to use; without it every one.",
    "train.folds": "Purged folds of cross-fitting and of the search.",
    "dashboard.port": "TCP port of the page.",
    "dashboard.feed": "HTTP address of the feed; empty is not watched.",
}
"""Meanings of fields that their section leaves without a docstring."""


def settings_page() -> str:
    """The whole page, in the model's order.

    Raises:
        LookupError: a setting has neither a docstring nor a meaning here.
    """
    general, sections = [], []
    told = field_docstrings(Settings)
    for name, info in Settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            sections.append(_section(name, kind))
        else:
            general.append(_row("", name, info, info.get_default(call_default_factory=True), told))
    return page("Settings", INTRODUCTION, _table(general), *sections)


def _section(name: str, model: type[BaseModel]) -> str:
    told, defaults = field_docstrings(model), model()
    rows = [
        _row(f"{name}.", field, info, getattr(defaults, field), told)
        for field, info in model.model_fields.items()
    ]
    return f"## {name}\n\n{first_sentence(model.__doc__ or '')}\n\n{_table(rows)}"


def _table(rows: list[Row]) -> str:
    return table(("setting", "variable", "type", "default", "meaning"), rows)


def _row(prefix: str, field: str, info: FieldInfo, default: Any, told: Mapping[str, str]) -> Row:
    name = prefix + field
    meaning = told.get(field) or OWN.get(name) or SHARED.get(field)
    if meaning is None:
        raise LookupError(
            f"expected a docstring under the setting {name}, found none; write one in ops/settings/sections"
        )
    variable = "BANDS_" + name.replace(".", "__").upper()
    return f"`{name}`", f"`{variable}`", in_words(info), _default(default), meaning


def _default(value: Any) -> str:
    if value is None or value in ((), ""):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{', '.join(map(str, value))}`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value}`"
