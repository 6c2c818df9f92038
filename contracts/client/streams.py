"""Which streams a subscription reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from contracts.client.position import Position
from contracts.errors import BadInputError
from contracts.events.base import Symbol
from contracts.model.grid import HORIZONS
from contracts.topics import Topics, partition_of

Kind = Literal["bands", "outcomes"]

_SYMBOL = TypeAdapter(Symbol)


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of some symbols and horizons, a group per partition, shortest horizon first.

    `symbols` None means every symbol of every partition.

    >>> Streams.of("bands", ["BTCUSDT"], (42, 48), partitions=4).groups
    (('bands.T42.{3}', 'bands.T48.{3}'),)
    """

    kind: Kind
    symbols: frozenset[str] | None
    partitions: int
    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def of(
        cls, kind: Kind, symbols: Iterable[str] | None, horizons: Iterable[int], partitions: int
    ) -> Streams:
        """Name them.

        Raises:
            BadInputError: a symbol, a horizon or the partition count is not one there can be.
        """
        if partitions < 1:
            raise BadInputError(
                f"expected partitions, as the deployment has, to be 1 or more, found {partitions}"
            )
        names = None if symbols is None else checked_symbols(symbols)
        chosen = sorted(set(horizons))
        if not chosen or (foreign := set(chosen) - set(HORIZONS)):
            raise BadInputError(
                f"expected horizons, in bars, among {', '.join(map(str, HORIZONS))}, found "
                f"{', '.join(map(str, sorted(foreign))) if chosen else 'none'}"
            )
        held = range(partitions) if names is None else sorted({partition_of(s, partitions) for s in names})
        groups = tuple(
            tuple(getattr(Topics(partition, partitions), kind)(horizon) for horizon in chosen)
            for partition in held
        )
        return cls(kind, names, partitions, groups)

    def check(self, position: Position) -> None:
        """Refuse a position of another deployment or another kind of stream.

        Raises:
            BadInputError: one of its streams can not be among this kind's and this partition count's.
        """
        every = Streams.of(self.kind, None, HORIZONS, self.partitions)
        known = {name for group in every.groups for name in group}
        if foreign := sorted(set(position) - known):
            raise BadInputError(
                f"expected a position on {self.kind} streams of {self.partitions} partition(s), such as "
                f"{self.groups[0][0]}, found {', '.join(foreign)}; give partitions= as the deployment has "
                "them, and each subscription a position of its own"
            )


def checked_symbols(symbols: Iterable[str]) -> frozenset[str]:
    """The symbols as a set.

    Raises:
        BadInputError: one is not a symbol, there are none, or it is a single text.
    """
    if isinstance(symbols, str):
        raise BadInputError(f"expected several symbols such as ['BTCUSDT'], found the text {symbols!r}")
    names = frozenset(symbols)
    if not names:
        raise BadInputError("expected one or more symbols, or None for all of them, found none")
    for name in names:
        try:
            _SYMBOL.validate_python(name)
        except ValidationError as error:
            raise BadInputError(
                f"expected an upper-case market name such as BTCUSDT, found {name!r}"
            ) from error
    return names
