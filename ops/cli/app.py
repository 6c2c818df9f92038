"""The `bands` command: one module per subcommand."""

from __future__ import annotations

import typer

from ops.cli.lazy import lazy_group
from ops.console import EXIT_CODES

COMMANDS = {
    "demo": "Train, publish, serve and replay, and see the bands: the whole loop.",
    "ingest": "Read bars, check them, and keep them in the workspace.",
    "hpo": "Tune the training settings: one resumable study per horizon.",
    "calibrate": "Compare calibrators on held-out rows: which one each horizon ships with.",
    "train": "Train a bundle: four horizons × five quantiles, calibrated.",
    "validate": "Walk forward over history, as it would have run live, and score every band.",
    "report": "Write the production readiness report: Markdown, and one self-contained page of figures.",
    "gates": "Judge a bundle by the four quality gates: go or no-go, with the evidence.",
    "approve": "Sign a bundle off, as architect or as product owner.",
    "publish": "Publish a bundle to the MLflow registry and point an alias at it.",
    "package": "Make the production package of a bundle, or verify one.",
    "pipeline": "From bars to a package in one run: tune, validate, train, judge, publish, report, pack.",
    "retrainer": "Serve retrain requests: tune, validate, train, judge, register a challenger.",
    "retrain": "Ask for a retraining, and follow it to its end.",
    "feed": "Bring an exchange's closed 4-hour bars to the workers, live, and what was missed before.",
    "worker": "Serve bands from a stream of bars: one partition, one process.",
    "replay": "Push bars through a worker and collect every record it answers with.",
    "shadow": "Put a challenger in shadow, see how it does, or watch it and let it take over.",
    "promote": "Make the challenger the champion.",
    "check": "Before a deployment: whether this machine, its server and its registry will carry the package.",
    "deploy": "Install a signed-off package, switch to it, and go back by itself when anything fails.",
    "smoke": "Whether what runs really serves: workers, newest bands, a band computed again.",
    "rollback": "Give the champion's place back to the previous one, in one command.",
    "audit": "Recompute what was served from what the server kept, and tell where the two differ.",
    "explain": "One band, or one missing band: features, quantiles, calibration, bundle, and why.",
    "dashboard": "The live page: bands, calibration, alerts, releases and health.",
    "notify": "Tell a webhook of drift, retrainings asked for or failed, and releases.",
    "acl": "Write the server's ACL file, a user for each role, or check what a server has.",
    "keys": "Make a pair of signing keys, or tell the id of a public one.",
    "sign": "Sign a bundle: ed25519 over its manifest.",
    "status": "What runs, what is served, and every setting with its origin.",
    "server": "Run the embedded server in the foreground.",
    "mock-exchange": "Run an exchange of one's own: a market, a clock, and faults on demand.",
    "bench": "Measure this machine.",
}


app = typer.Typer(
    name="bands",
    cls=lazy_group("ops.cli", COMMANDS),
    help="Calibrated price bands for crypto markets: trained offline, served as a stream.",
    epilog=f"Settings: bands.toml, BANDS_* variables; `bands status --settings` lists them. {EXIT_CODES}",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _bands() -> None:
    """Calibrated price bands for crypto markets."""


def main() -> None:
    """Run the command line."""
    app()
