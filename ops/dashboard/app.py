"""The Dash application: header, banners, five views, and what keeps them up to date."""

from __future__ import annotations

import contextlib
import time
from importlib import import_module
from importlib.resources import files
from types import ModuleType
from typing import Any

import flask
from dash import Dash, Input, Output, State, dcc, html, no_update

from ops.dashboard.banner import banners
from ops.dashboard.desk import Desk
from ops.dashboard.login import guard
from ops.dashboard.pages import alerts, bands, calibration, health, releases
from ops.dashboard.pages.parts import PAUSED, aria
from ops.dashboard.words import moment

with contextlib.suppress(ImportError):
    # What of it is loaded Plotly uses when it writes an answer, be it the half that another thread imports.
    import_module("PIL.Image")

VIEWS: tuple[ModuleType, ...] = (bands, calibration, alerts, releases, health)
TICK_MS = 1_000
SLOW_TICK_MS = 5_000
LOADING_S = 3.0
"""While older records are read every second brings a change; pages follow at this pace."""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
{%css%}
</head>
<body>
<noscript>The dashboard needs JavaScript.</noscript>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""


def make_app(desk: Desk, password: str | None) -> Dash:
    """The application over a desk; `password` as `login.password_of` gives it."""
    server: Any = flask.Flask("ops.dashboard")  # Dash is typed for a flag alone
    app = Dash(
        "ops.dashboard",
        server=server,
        title="Quant Bands",
        update_title="",
        assets_folder=str(files("ops.dashboard").joinpath("assets")),
        serve_locally=True,
        suppress_callback_exceptions=True,
        index_string=PAGE,
        enable_mcp=False,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "description", "content": "Calibrated price bands, live"},
        ],
    )
    app.layout = lambda: _layout(signed_in=password is not None)
    guard(server, password)
    _open_routes(server)
    _register(app, desk)
    for view in VIEWS:
        view.register(app, desk)
    policy = content_policy(app)

    def with_policy(answer: flask.Response) -> flask.Response:
        answer.headers.setdefault("Content-Security-Policy", policy)
        return answer

    server.after_request(with_policy)
    return app


def content_policy(app: Dash) -> str:
    """What a browser may load: from here alone, and of inline scripts only Dash's own."""
    scripts = " ".join(f"'{one}'" if not one.startswith("'") else one for one in app.csp_hashes())
    return (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; font-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _open_routes(server: flask.Flask) -> None:
    @server.get("/health")
    def _health() -> Any:
        return {"alive": True}

    @server.get("/alive")
    def _alive() -> Any:
        return {"alive": True}


def _layout(*, signed_in: bool) -> Any:
    leave = html.Form(html.Button("Sign out", type="submit"), action="/logout", method="POST")
    return html.Div(
        [
            dcc.Location(id="url"),
            dcc.Store(id="version", data={"v": -1, "at": 0}),
            dcc.Store(id="told", data=[]),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Interval(id="slow-tick", interval=SLOW_TICK_MS),
            html.A("Skip to the view", href="#view", className="skip"),
            html.Header(
                [
                    html.Span(
                        [html.Img(src="/assets/favicon.svg", alt="", width=26, height=26), "Quant Bands"],
                        className="brand",
                    ),
                    html.Nav(id="nav", **aria(label="Views")),
                    html.Span(id="newest", className="newest"),
                    leave if signed_in else None,
                ],
                className="top",
            ),
            html.Div(id="away", className="banner bad hidden", role="alert"),
            html.Div(id="banners", role="status", **aria(live="polite")),
            html.Main(id="view", tabIndex="-1"),
        ],
        id="page",
    )


def _register(app: Dash, desk: Desk) -> None:
    @app.callback(Output("view", "children"), Output("nav", "children"), Input("url", "pathname"))
    def _route(path: str | None) -> Any:
        chosen = next((view for view in VIEWS if path == view.PATH), None)
        links = [
            dcc.Link(view.TITLE, href=view.PATH, className="active" if view is chosen else "")
            for view in VIEWS
        ]
        if chosen is None:
            missing = html.P(
                ["There is no such view. ", dcc.Link("To the bands", href="/")], className="words"
            )
            return missing, links
        return chosen.layout(desk), links

    @app.callback(
        Output("version", "data"),
        Output("banners", "children"),
        Output("told", "data"),
        Output("newest", "children"),
        Input("tick", "n_intervals"),
        State("version", "data"),
        State("told", "data"),
        running=PAUSED,
    )
    def _tick(_ticks: Any, known: dict[str, float], told: list[Any]) -> Any:
        situation = desk.situation()
        found = [[one.kind, one.words] for one in banners(situation)]
        newest = situation.newest_close
        status = f"newest bar {moment(newest)}" if newest else "no bar yet"
        version, now = desk.cache.version, time.time()
        is_news = known["v"] != version and (not situation.loading or now - known["at"] > LOADING_S)
        return (
            {"v": version, "at": now} if is_news else no_update,
            [html.Div(words, className=f"banner {kind}") for kind, words in found]
            if found != told
            else no_update,
            found if found != told else no_update,
            status,
        )
