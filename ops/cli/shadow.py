"""Put a challenger in shadow, see how it does, or watch it and let it take over."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from contracts.errors import BadInputError
from contracts.events import Release
from offline.registry import Lineup, Registered
from offline.shadow import Comparison
from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.cli.release_options import By, Why, line, show_release, who
from ops.console import err, out, print_json, told_errors
from ops.release import Releases, judge_pair, last_releases
from ops.release.connect import streams
from ops.release.watch import Watch
from ops.settings import Settings

EXAMPLE = "Example: bands shadow 0.2.0+5f2c9d1e7a40 --share 0.3 --why 'retrained in May'"
COLOURS = {"win": "green", "lose": "red", "undecided": "yellow"}


def run(
    bundle: Annotated[
        str | None, typer.Argument(help="Version or label of a registered bundle; none: show the state.")
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Part of the symbols it serves for real (A/B), 0 to 1; default: 0.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the challenger out of shadow.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Keep watching; end it with Ctrl-C.")] = False,
    policy: Annotated[
        Literal["manual", "automatic"] | None,
        typer.Option(help="Of --follow: automatic promotes on a win, withdraws on a loss."),
    ] = None,
    by: By = None,
    why: Why = None,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Without a bundle: champion, challenger, and the comparison on the same bars with its verdict.

    win and lose hold however often you look: for a challenger that is never the better one, a win comes with
    a chance of release.alpha in all. Two that take turns for months are told apart by mistake more often.
    """
    with told_errors():
        if sum((bundle is not None, withdraw, follow)) > 1 and not (bundle is not None and follow):
            raise BadInputError("expected a bundle, --withdraw or --follow, found several; give one")
        if share is not None and bundle is None:
            raise BadInputError("expected a bundle with --share, found none; name its version or label")
        settings = settings_with(redis_url, tracking_uri)
        with streams(settings) as client:
            releases = Releases(settings, client)
            done = releases.complete()
            if done is not None:
                err.print(f"completed a {done.action} to {done.to_bundle} that was cut off", highlight=False)
            if withdraw:
                show_release(releases.withdraw(by=who(by), why=why or ""), as_json=as_json)
                return
            if bundle is not None:
                made = releases.shadow(bundle, share=share or 0.0, by=who(by), why=why or "")
                show_release(made, as_json=as_json)
            if follow:
                _follow(settings, client, policy or settings.release.policy)
            if bundle is None:
                _state(settings, client, releases, as_json=as_json)


def _follow(settings: Settings, client: Any, policy: Literal["manual", "automatic"]) -> None:
    def tell(text: str) -> None:
        out.print(f"{time.strftime('%H:%M:%S')} {text}", highlight=False, markup=False, soft_wrap=True)

    watch = Watch(settings, client, policy, tell)
    while True:
        watch.look()
        time.sleep(settings.release.poll_interval_s)


def _state(settings: Settings, client: Any, releases: Releases, *, as_json: bool) -> None:
    lineup = releases.lineup()
    comparison = judge_pair(settings, client, lineup)
    history = last_releases(client)
    if as_json:
        print_json(
            {
                "champion": _told(lineup.champion),
                "challenger": _told(lineup.challenger),
                "previous": _told(lineup.previous),
                "share": lineup.challenger.share if lineup.challenger else None,
                "policy": settings.release.policy,
                "comparison": comparison.to_json() if comparison else None,
                "releases": [one.model_dump(mode="json", by_alias=True) for one in history],
            }
        )
        return
    _show(lineup, comparison, history)


def _told(one: Registered | None) -> dict[str, str] | None:
    return None if one is None else {"version": one.version, "label": one.label}


def _show(lineup: Lineup, comparison: Comparison | None, history: list[Release]) -> None:
    for name in ("champion", "challenger", "previous"):
        one: Registered | None = getattr(lineup, name)
        told = "none" if one is None else f"{one.label} (version {one.version})"
        if name == "challenger" and one is not None:
            told += f", serves {one.share:.0%} of the symbols"
        out.print(f"{name:<11}{told}", highlight=False)
    if comparison is not None:
        _show_comparison(comparison)
    elif lineup.challenger is None:
        out.print("next: [bold]bands shadow VERSION[/] puts a registered bundle in shadow")
    for release in history:
        out.print(f"  {line(release)}", highlight=False, markup=False)


def _show_comparison(told: Comparison) -> None:
    colour = COLOURS[told.verdict]
    decided = f", by the bars up to {told.decided_at}" if told.decided_at else ""
    out.print(f"verdict    [bold {colour}]{told.verdict}[/]{decided}", highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    threshold = f"{1 / told.alpha:g} decides"
    gain = "–" if told.gain is None else _gain(told)
    rows = [
        ("evidence for it", f"{told.e_win:.3g} now, {told.peak_win:.3g} at most; {threshold}"),
        ("evidence against it", f"{told.e_lose:.3g} now, {told.peak_lose:.3g} at most; {threshold}"),
        ("pinball, challenger to champion", gain),
        (
            "coverage 90 %, champion · challenger",
            _pair(told.champion_coverage_90, told.challenger_coverage_90),
        ),
        (
            "coverage 50 %, champion · challenger",
            _pair(told.champion_coverage_50, told.challenger_coverage_50),
        ),
        ("bars", f"{told.bars:,}, about {told.independent:,} independent; {told.cells:,} bands of each"),
        ("from · to", f"{told.first or '–'} · {told.last or '–'}"),
        ("not closed or settled yet", f"{told.open:,} bands"),
    ]
    if told.left_out:
        rows.append(("left out", ", ".join(f"{n:,} {reason}" for reason, n in told.left_out.items())))
    for name, value in rows:
        table.add_row(f"  {name}", value)
    out.print(table)


def _gain(told: Comparison) -> str:
    gain = told.gain
    if gain is None:
        return "–"
    if gain.low is None or gain.high is None:
        return f"{-gain.value:+.1%} (no interval: {gain.reason})"
    return f"{-gain.value:+.1%}, {gain.level:.0%} interval {-gain.high:+.1%} to {-gain.low:+.1%}"


def _pair(champion: float | None, challenger: float | None) -> str:
    return " · ".join("–" if one is None else f"{one:.1%}" for one in (champion, challenger))
