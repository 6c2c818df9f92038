"""Make the challenger the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInputError
from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.cli.release_options import By, Why, show_release, who
from ops.console import err, told_errors
from ops.release import ReleaseRefusedError, Releases, judge_pair, unmet
from ops.release.connect import streams

EXAMPLE = "Example: bands promote --by ada --why 'won in shadow'"


def run(
    by: By = None,
    why: Why = None,
    gates: Annotated[
        Path | None,
        typer.Option(help="quality_gates_report.json; default: the workspace's about this bundle."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote in spite of every objection; needs --why.")
    ] = False,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Refused (exit 1) without a challenger, without a go of the gates, or when it loses in shadow.

    The champion becomes @previous; `bands rollback` takes it back. Sign-offs: release.require_signoff.
    """
    with told_errors():
        if force and not why:
            raise BadInputError(
                "expected --why with --force, found none: say why the objections do not count"
            )
        settings = settings_with(redis_url, tracking_uri)
        with streams(settings) as client:
            releases = Releases(settings, client)
            done = releases.complete()
            if done is not None:
                err.print(f"completed a {done.action} to {done.to_bundle} that was cut off", highlight=False)
            if done is not None and done.action == "promote":
                show_release(done, as_json=as_json)
                return
            lineup = releases.lineup()
            reasons, told = [], ""
            if lineup.challenger is not None:
                comparison = judge_pair(settings, client, lineup)
                told = str(comparison) if comparison is not None else ""
                reasons = unmet(settings, lineup.challenger, gates)
                if comparison is not None and comparison.verdict == "lose":
                    reasons.append(f"it loses in shadow: {comparison}")
            if reasons and not force:
                raise ReleaseRefusedError(
                    f"no-go: {'; '.join(reasons)}. --force with --why promotes in spite of it"
                )
            expected = lineup.challenger.version if lineup.challenger else None
            reason = f"{why} (forced: {'; '.join(reasons)})" if reasons and why else why or told
            show_release(releases.promote(by=who(by), why=reason, expected=expected), as_json=as_json)
