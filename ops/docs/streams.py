"""The page of every stream and key: name, writer, message, how long it is kept, and each field."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from contracts import topics
from contracts.events.schema import MESSAGES
from contracts.model.grid import HORIZONS
from contracts.topics import Topics
from ops.docs.attributes import docstrings, field_docstrings
from ops.docs.markdown import first_sentence, page, table
from ops.docs.meanings import meaning
from ops.docs.types import in_words
from ops.notify.sources import POSITION
from ops.settings.sections import StreamSettings

INTRODUCTION = """
One stream entry has one field, `data`, with JSON. Times are ISO 8601 in UTC, returns natural logarithms,
prices quote currency. A reader ignores fields it does not know; a new optional field keeps the version in
`schema`, anything else raises it. With one partition the names are plain. With several, every name a worker
touches ends in its partition's hash tag (`bands.T42.{3}`), and a symbol lives in the partition CRC32(name)
modulo their number.

A worker serves these schemas at `/asyncapi.json` and, for people, at `/docs`.
"""

STREAMS: tuple[tuple[str, str, str, str], ...] = (
    ("bars", "Bar", "feed", "bars"),
    ("bands", "Band", "worker", "outputs"),
    ("outcomes", "Outcome", "worker", "outputs"),
    ("shadow", "Band", "worker", "outputs"),
    ("drift", "DriftAlert", "worker", "outputs"),
    ("retrain", "RetrainRequest", "worker, retrainer (schedule), a person", "outputs"),
    ("RETRAIN_STATUS", "RetrainStatus", "retrainer", "outputs"),
    ("RELEASES", "Release", "ops (`bands promote`, `shadow`, `rollback`, `deploy`)", "for ever"),
    ("dead", "DeadLetter", "worker", "dead"),
    ("swaps", "", "worker", "for ever"),
)
"""Member of Topics or constant of contracts.topics, message, writer, and which rule of retention holds."""

ABOUT = {
    "RETRAIN_STATUS": "Progress and result of retraining runs.",
    "RELEASES": "The history of what was live when: promotions, shadows, withdrawals, rollbacks.",
    "swaps": "Every bundle swap in order: which bundle applies to the entries after which one. "
    "A replay obeys it.",
}
NOT_A_NAME = ("GROUP", "RETRAIN_GROUP", "RETRAIN_CONSUMER", "consumer", "all_bands")
"""Consumer names, and what is listed one by one."""


def streams_page() -> str:
    """The whole page.

    Raises:
        LookupError: a name or a field is described nowhere.
    """
    return page(
        "Streams and keys",
        INTRODUCTION,
        "## Streams",
        table(("stream", "one entry is", "written by", "kept", "what"), _stream_rows()),
        "## Keys\n\nState of the services, for looking and never for writing.",
        table(("key", "what"), _key_rows()),
        "## Consumer groups",
        table(("name", "what"), _group_rows()),
        "# Messages",
        *(_message(model) for model in _with_parts()),
    )


def names_of(member: str) -> list[str]:
    """The plain names behind a member of Topics or a constant of contracts.topics.

    >>> names_of("bands")
    ['bands.T42', 'bands.T48', 'bands.T54', 'bands.T60']
    """
    if member.isupper():
        return [getattr(topics, member)]
    value = getattr(Topics(), member)
    if not callable(value):
        return [value]
    return [value("SYMBOL")] if member == "latest" else [value(horizon) for horizon in HORIZONS]


def all_names() -> list[str]:
    """Every stream and key there is, with one partition."""
    return [*(name for member in _members() for name in names_of(member)), POSITION]


def _members() -> list[str]:
    own = [name for name in vars(Topics) if not name.startswith("_") and name not in Topics.__match_args__]
    constants = [n for n, value in vars(topics).items() if n.isupper() and isinstance(value, str)]
    return [name for name in own + constants if name not in NOT_A_NAME]


def _about(member: str) -> str:
    if member in ABOUT:
        return ABOUT[member]
    text = docstrings(topics).get(member) if member.isupper() else inspect.getdoc(getattr(Topics, member))
    if not text:
        raise LookupError(
            f"expected a docstring of {member} in contracts/topics.py, found none; write it there"
        )
    return first_sentence(text)


def _stream_rows() -> Iterator[tuple[str, ...]]:
    stream = StreamSettings()
    kept = {
        "outputs": f"newest {stream.output_maxlen:,}".replace(",", " "),
        "dead": f"newest {stream.dead_maxlen:,}".replace(",", " "),
        "bars": f"{stream.bars_retention_days:g} days, never beyond the cursor",
        "for ever": "for ever; it is short",
    }
    for member, message, writer, rule in STREAMS:
        names = names_of(member)
        shown = f"`{names[0]}` … `{names[-1]}`" if len(names) > 1 else f"`{names[0]}`"
        linked = f"[{message}](#{message.lower()})" if message else "a swap record"
        yield shown, linked, writer, kept[rule], _about(member)


def _key_rows() -> Iterator[tuple[str, str]]:
    streams = {member for member, *_ in STREAMS}
    for member in _members():
        if member not in streams:
            yield f"`{names_of(member)[0]}`", _about(member)
    yield f"`{POSITION}`", "Hash by stream: the last entry that `bands notify` has delivered."


def _group_rows() -> Iterator[tuple[str, str]]:
    yield f"`{topics.GROUP}`", _about("GROUP")
    yield f"`{Topics().consumer}`", _about("consumer")
    yield f"`{topics.RETRAIN_GROUP}`", _about("RETRAIN_GROUP")
    yield f"`{topics.RETRAIN_CONSUMER}`", _about("RETRAIN_CONSUMER")


def _with_parts() -> Iterator[type[BaseModel]]:
    """Every message, each followed by the parts that only it is made of."""
    seen: set[type[BaseModel]] = set()
    for message in MESSAGES:
        waiting: list[type[BaseModel]] = [message]
        while waiting:
            model = waiting.pop(0)
            if model in seen:
                continue
            seen.add(model)
            yield model
            waiting += [part for info in model.model_fields.values() for part in _parts(info.annotation)]


def _parts(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type):
        return [kind] if issubclass(kind, BaseModel) else []
    return [part for one in getattr(kind, "__args__", ()) for part in _parts(one)]


def _message(model: type[BaseModel]) -> str:
    told, rows = field_docstrings(model), []
    for name, info in model.model_fields.items():
        shown = info.alias or name
        required = "yes" if info.is_required() or shown == "schema" else ""
        rows.append((f"`{shown}`", in_words(info), required, meaning(model.__name__, shown, told)))
    text = re.split(r"\n\s*>>>", inspect.getdoc(model) or "")[0].strip()
    return f"## {model.__name__}\n\n{text}\n\n{table(('field', 'type', 'always', 'meaning'), rows)}"
