"""Shadow, withdraw, promote, rollback: each one change, made completely or completed later."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from contracts.errors import BadInputError
from contracts.events import Release
from contracts.files import locked
from contracts.model.bundle import SignatureError
from contracts.registry import CHALLENGER, CHAMPION, PREVIOUS
from offline.registry import (
    Lineup,
    UnknownBundleError,
    arrange,
    find_bundle,
    read_lineup,
    registry,
    require_signed,
    set_share,
)
from ops.release.change import Change
from ops.release.errors import ReleaseRefusedError
from ops.release.history import History
from ops.security.signing import trusted_of
from ops.settings import Settings

Plan = Callable[[Lineup], Change | None]
Action = Literal["promote", "shadow", "withdraw", "rollback"]


class Releases:
    """The registry's aliases and the stream `releases`, changed together.

    `client` is a synchronous Redis client without decoding. Releases of one workspace wait for each other.
    Before its own change each method completes the one that was cut off, if there is one.
    """

    def __init__(self, settings: Settings, client: Any) -> None:
        self._settings = settings
        self._history = History(client)

    def lineup(self) -> Lineup:
        """What the aliases point at.

        Raises:
            RegistryError: the registry does not answer.
        """
        with self._registry() as client:
            return read_lineup(client)

    def complete(self) -> Release | None:
        """Finish the change that was cut off and return its entry; None when there was none.

        Raises:
            RegistryError: the registry does not answer; the change stays noted.
        """
        with self._alone():
            return self._complete()

    def shadow(self, name: str, *, share: float, by: str, why: str) -> Release | None:
        """Put the bundle of version or label `name` in shadow; None when it is there with this share.

        Raises:
            UnknownBundleError: the registry has no such bundle.
            BadInputError: the share is not in 0..1.
            ReleaseRefusedError: there is no champion, or it is this bundle.
        """
        if not 0 <= share <= 1:
            raise BadInputError(f"expected a share of symbols in 0..1, found {share:g}")
        with self._registry() as client:
            bundle = find_bundle(client, name)

        def plan(lineup: Lineup) -> Change | None:
            now = lineup.challenger
            if lineup.champion is None:
                raise ReleaseRefusedError(
                    "expected a champion to compare with, found none; `bands publish` makes the first one"
                )
            if lineup.champion.version == bundle.version:
                raise ReleaseRefusedError(
                    f"expected another bundle than the champion, found {bundle.label}; it is served already"
                )
            if now is not None and now.version == bundle.version and f"{now.share:g}" == f"{share:g}":
                return None
            shares: dict[str, float | None] = {bundle.version: share}
            if now is not None and now.version != bundle.version:
                shares[now.version] = None
            left = now.label if now is not None and now.version != bundle.version else None
            release = _release("shadow", by, why, bundle.label, left, share)
            return Change(release=release, moves={CHALLENGER: bundle.version}, shares=shares)

        return self._change(plan)

    def withdraw(self, *, by: str, why: str) -> Release | None:
        """Take the challenger out of shadow. Raises ReleaseRefusedError when there is none."""

        def plan(lineup: Lineup) -> Change:
            rival = _challenger(lineup)
            stays = lineup.champion.label if lineup.champion is not None else "none"
            release = _release("withdraw", by, why, stays, rival.label)
            return Change(release=release, moves={CHALLENGER: None}, shares={rival.version: None})

        return self._change(plan)

    def promote(self, *, by: str, why: str, expected: str | None = None) -> Release | None:
        """Make the challenger the champion and the champion the previous one.

        `expected` is the version that was judged: another challenger is not promoted on its account.

        Raises:
            ReleaseRefusedError: there is no challenger, or another one than expected.
        """

        def plan(lineup: Lineup) -> Change:
            rival, champion = _challenger(lineup), lineup.champion
            if expected is not None and rival.version != expected:
                raise ReleaseRefusedError(
                    f"expected version {expected} as the challenger, found {rival.version} ({rival.label}); "
                    "look at it with `bands shadow`"
                )
            if champion is not None and champion.version == rival.version:
                raise ReleaseRefusedError(
                    f"expected a challenger other than the champion, found {rival.label} as both; "
                    "`bands shadow --withdraw` takes the alias away"
                )
            moves: dict[str, str | None] = {CHAMPION: rival.version, CHALLENGER: None}
            if champion is not None:
                moves[PREVIOUS] = champion.version
            release = _release("promote", by, why, rival.label, champion.label if champion else None)
            return Change(release=release, moves=moves, shares={rival.version: None})

        return self._change(plan)

    def rollback(self, *, by: str, why: str) -> Release | None:
        """Champion and previous change places. Raises ReleaseRefusedError when there is no previous."""

        def plan(lineup: Lineup) -> Change:
            back, champion = lineup.previous, lineup.champion
            if back is None or champion is None or back.version == champion.version:
                raise ReleaseRefusedError(
                    "expected a previous champion to go back to, found none; `bands publish DIR` serves any "
                    "bundle"
                )
            moves: dict[str, str | None] = {PREVIOUS: champion.version, CHAMPION: back.version}
            shares: dict[str, float | None] = {}
            if lineup.challenger is not None and lineup.challenger.version == back.version:
                moves[CHALLENGER] = None
                shares[back.version] = None
            release = _release("rollback", by, why, back.label, champion.label)
            return Change(release=release, moves=moves, shares=shares)

        return self._change(plan)

    def _change(self, plan: Plan) -> Release | None:
        with self._alone():
            self._complete()
            change = plan(self.lineup())
            if change is None:
                return None
            self._require_signed(change)
            if not self._history.begin(change):
                raise ReleaseRefusedError(
                    "expected no other release under way, found one from another machine; try again"
                )
            self._make(change)
            return change.release

    def _require_signed(self, change: Change) -> None:
        """Workers would refuse an unsigned bundle: the alias would move, and nothing else."""
        trusted = trusted_of(self._settings)
        if trusted is None:
            return
        with self._registry() as client:
            for alias, version in change.moves.items():
                if version is None or alias == PREVIOUS:
                    continue
                try:
                    require_signed(client, version, trusted)
                except SignatureError as error:
                    raise ReleaseRefusedError(str(error)) from error

    def _complete(self) -> Release | None:
        change = self._history.pending()
        if change is None:
            return None
        self._make(change)
        return change.release

    def _make(self, change: Change) -> None:
        """Registry first, then the entry; whoever finds the note gone leaves the rest to the other."""
        with self._registry() as client:
            try:
                for version in {*change.moves.values(), *change.shares} - {None}:
                    find_bundle(client, str(version))
            except UnknownBundleError as error:
                self._history.drop(change)
                raise ReleaseRefusedError(
                    f"expected the bundles of the {change.release.action} to {change.release.to_bundle} in "
                    f"the registry, found: {error}; the change is given up"
                ) from error
            for version, share in change.shares.items():
                if share is not None:
                    set_share(client, version, share)
            for _ in arrange(client, change.moves, change.shares):
                found = self._history.pending()
                if found is None or found.id != change.id:
                    return
            for version, share in change.shares.items():
                if share is None:
                    set_share(client, version, None)
        self._history.finish(change)

    @contextmanager
    def _registry(self) -> Iterator[Any]:
        with registry(self._settings.registry_uri, self._settings.registry.timeout_s) as client:
            yield client

    @contextmanager
    def _alone(self) -> Iterator[None]:
        folder = self._settings.workspace_path
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "release.lock"):
            yield


def _challenger(lineup: Lineup) -> Any:
    if lineup.challenger is None:
        raise ReleaseRefusedError(
            "expected a challenger, found none; `bands shadow VERSION` puts a registered bundle in shadow"
        )
    return lineup.challenger


def _release(
    action: Action, by: str, why: str, to: str, left: str | None = None, share: float = 1.0
) -> Release:
    return Release(
        action=action,
        at=datetime.now(UTC).replace(microsecond=0),
        by=by,
        why=why,
        to_bundle=to,
        from_bundle=left,
        share=share,
        id=uuid.uuid4().hex,
    )
