"""The walk-forward leaderboard: our bands beside every peer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from offline.leaderboard import OPTIONAL, OURS, Leaderboard, cadence, entrants, leaderboard, read_predictions
from ops.cli.bar_files import read_histories
from ops.cli.options import BarFiles, Json, Since, moment
from ops.console import out, print_json, progress_bars, told_errors
from ops.settings import Settings
from ops.training import choose_leader

EXAMPLE = (
    "Example: bands bench forecast --predictions validation_wf/predictions.parquet "
    "--bars binance_BTCUSDT_4h.parquet --peers garch-t,lgb-grid"
)


def run(
    predictions: Annotated[Path, typer.Option(help="predictions.parquet of `bands validate`.", exists=False)],
    bars: BarFiles,
    start: Annotated[str | None, typer.Option(help="Score bands issued from this time on.")] = None,
    end: Annotated[str | None, typer.Option(help="Score bands issued before this time.")] = None,
    horizons: Annotated[
        list[int] | None, typer.Option(help="Horizons, e.g. `42 48`; default: those of the predictions.")
    ] = None,
    since: Since = None,
    peers: Annotated[
        str, typer.Option(help="Beside HAR-RV and ewma-ecdf, separated by commas; or `none`.")
    ] = ",".join(OPTIONAL),
    refit: Annotated[
        str, typer.Option(help="Days between refits of HAR-RV and ewma-ecdf, `half-year` or `year`.")
    ] = "30",
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: leaderboard in the workspace.")
    ] = None,
    leader: Annotated[
        str | None, typer.Option(help="Market leader, or `none`; default BTCUSDT among several symbols.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Our bands beside every peer on the same rows: leaderboard.json, and every finished refit.

    MAPIE, quantile forests and mlforecast run in an environment of their own, made in the workspace when
    first asked for. Interrupted, the same command goes on from the refits that are finished.
    """
    with told_errors():
        settings = Settings()
        histories = [history.between(moment(since), None) for history, _ in read_histories(bars)]
        with progress_bars(quiet=as_json) as progress:
            done = leaderboard(
                read_predictions(predictions, moment(start), moment(end)),
                histories,
                folder or settings.workspace_path / "leaderboard",
                entrants(
                    [] if peers == "none" else [name.strip() for name in peers.split(",") if name.strip()],
                    settings.workspace_path / "peers",
                    baseline_cadence=cadence(refit),
                    threads=settings.train.threads,
                ),
                horizons=list(horizons or ()),
                leader=choose_leader([history.symbol for history in histories], leader),
                max_gap_bars=settings.train.max_gap_bars,
                progress=progress,
            )
        if as_json:
            print_json(
                {
                    "folder": str(done.folder),
                    "reused_windows": done.reused_windows,
                    "seconds": {name: round(value, 3) for name, value in done.seconds.items()},
                    **done.results,
                }
            )
        else:
            _show(done)


def _show(done: Leaderboard) -> None:
    results = done.results
    for name, board in results["horizons"].items():
        rows = board["rows"]
        out.print(f"{name}: {rows['common']:,} common rows of our {rows['ours']:,}", highlight=False)
        for peer, lacking in rows["lacking"].items():
            if lacking:
                out.print(f"  {peer} has no answer for {lacking:,} of them", highlight=False)
        for table in (_losses, _coverage, _years):
            out.print(table(name, board))
        for symbol in board["models"][OURS]["symbols"]:
            out.print(_one_symbol(name, board, symbol))
        out.print(_targets(name, board))
        for peer, why in board["left_out"].items():
            out.print(f"left out of {name}: {peer}: {why}", highlight=False, markup=False)
    for peer, told in results["peers"].items():
        if told["left_out"] is not None:
            out.print(f"left out: {peer}: {told['left_out']}", highlight=False, markup=False)
    out.print("in brackets: 90 % block-bootstrap intervals", highlight=False, markup=False)
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in done.seconds.items())
    out.print(f"{done.reused_windows} refits reused; {seconds}", highlight=False)
    out.print(f"written: {done.folder}/leaderboard.json", soft_wrap=True)


def _new(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in columns:
        text = column in ("model", "target")
        table.add_column(column, justify="left" if text else "right", no_wrap=text)
    return table


def _ranked(board: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    models: dict[str, dict[str, Any]] = board["models"]
    return sorted(models.items(), key=lambda item: item[1]["pooled"]["pinball_to_har_rv"]["value"])


def _losses(name: str, board: dict[str, Any]) -> Table:
    table = _new(
        f"{name} pooled losses, below 1 is better", "model", "pinball/HAR", "Winkler90/HAR", "W50/HAR"
    )
    for model, told in _ranked(board):
        scores = told["pooled"]
        cells = [_estimate(scores[f"{score}_to_har_rv"], 3) for score in ("pinball", "winkler_90")]
        cells.append(f"{scores['winkler_50_to_har_rv']['value']:.3f}")
        table.add_row(model, *cells, style="bold" if model == OURS else None)
    return table


def _coverage(name: str, board: dict[str, Any]) -> Table:
    headings = ("model", "cov90", "cov50", "width90", "<q05", ">q95", "cal.err")
    table = _new(f"{name} pooled coverage and sharpness", *headings)
    for model, told in _ranked(board):
        scores = told["pooled"]
        cells = [_estimate(scores[score], 1, 100) for score in ("coverage_90", "coverage_50")]
        cells += [
            f"{scores[score]:.3f}" for score in ("width_90", "below_q05", "above_q95", "calibration_error")
        ]
        table.add_row(model, *cells, style="bold" if model == OURS else None)
    return table


def _years(name: str, board: dict[str, Any]) -> Table:
    years = sorted(board["models"][OURS]["pooled"]["coverage_90_by_year"])
    table = _new(f"{name} coverage of the 90 % band by year", "model", "yr-miss", *years, "n", "indep.")
    for model, told in _ranked(board):
        scores = told["pooled"]
        cells = [f"{scores['yearly_miss']:.3f}"]
        cells += [f"{scores['coverage_90_by_year'][year]:.3f}" for year in years]
        cells += [str(scores["n"]), str(scores["n_effective"])]
        table.add_row(model, *cells, style="bold" if model == OURS else None)
    return table


def _one_symbol(name: str, board: dict[str, Any], symbol: str) -> Table:
    headings = ("model", "n", "pinball", "/HAR", "cov90", "cov50", "width90")
    table = _new(f"{name} {symbol}", *headings)
    for model, told in _ranked(board):
        scores = told["symbols"][symbol]
        table.add_row(
            model,
            str(scores["n"]),
            f"{scores['pinball']:.5f}",
            _estimate(scores["pinball_to_har_rv"], 3),
            _estimate(scores["coverage_90"], 1, 100),
            f"{100 * scores['coverage_50']['value']:.1f}",
            f"{scores['width_90']:.3f}",
            style="bold" if model == OURS else None,
        )
    return table


def _targets(name: str, board: dict[str, Any]) -> Table:
    table = _new(f"{name} targets", "target", "expected", "found", "met")
    for one in board["targets"]:
        found = one["found"]
        if isinstance(found, list):
            told = f"[{found[0]:.3f}, {found[1]:.3f}]"
        else:
            told = "–" if found is None else f"{found:.4f}"
        met = {True: "yes", False: "no", None: f"unknown: {one['reason']}"}[one["met"]]
        table.add_row(one["target"], one["expected"], told, met)
    return table


def _estimate(estimate: dict[str, Any], digits: int, unit: float = 1) -> str:
    text = f"{unit * estimate['value']:.{digits}f}"
    if estimate["low"] is None:
        return text
    return f"{text} [{unit * estimate['low']:.{digits}f}, {unit * estimate['high']:.{digits}f}]"
