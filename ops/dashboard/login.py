"""Who may see the page: everybody on this machine, elsewhere whoever knows the password."""

from __future__ import annotations

import hmac
import ipaddress
import math
import secrets
from datetime import timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import flask
import flask_login  # type: ignore[import-untyped]
from flask.sessions import SecureCookieSessionInterface
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from contracts.errors import BadInputError
from ops.dashboard.slowdown import Slowdown
from ops.security.secrets import read_password
from ops.settings.sections import DashboardSettings

LEAST_LETTERS = 8
HASHES = ("scrypt:", "pbkdf2:")
OPEN_PATHS = ("/login", "/health", "/assets/style.css", "/assets/favicon.svg")
SESSION = timedelta(hours=12)
PAGE = files("ops.dashboard").joinpath("login.html").read_text()
MOST_BODY = 2 * 1024 * 1024


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "bands.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def password_of(settings: DashboardSettings) -> str | None:
    """The password, or its werkzeug hash; None where there is to be no login.

    Raises:
        BadInputError: there is none and the address is not of this machine alone, it is given twice, is too
            short, or its file can not be read.
    """
    given = settings.password.get_secret_value() if settings.password else None
    if given is not None and settings.password_file is not None:
        raise BadInputError("expected dashboard.password or dashboard.password_file, found both; drop one")
    if settings.password_file is not None:
        given = read_password(settings.password_file, "dashboard.password_file")
    if given is None:
        if not is_loopback(settings.host):
            raise BadInputError(
                f"expected a password beside dashboard.host {settings.host}, which others can reach, found "
                "none; set BANDS_DASHBOARD__PASSWORD or dashboard.password_file, or listen on 127.0.0.1"
            )
        return None
    if not given.startswith(HASHES) and len(given) < LEAST_LETTERS:
        raise BadInputError(
            f"expected a dashboard password of at least {LEAST_LETTERS} characters, found {len(given)}; "
            "choose a longer one"
        )
    return given


def guard(server: flask.Flask, password: str | None) -> None:
    """Put headers, and where there is a password the login, before every answer of `server`."""
    server.config["MAX_CONTENT_LENGTH"] = MOST_BODY
    server.after_request(_headers)
    if password is None:
        server.before_request(_only_this_machine)
    else:
        _login(server, password)


def allows(password: str, given: str) -> bool:
    """Whether `given` is the password, in a time that tells nothing of it."""
    if password.startswith(HASHES):
        return check_password_hash(password, given)
    return hmac.compare_digest(password.encode(), given.encode())


class _Session(SecureCookieSessionInterface):
    """Cookies that travel by https alone wherever the page does."""

    def get_cookie_secure(self, app: flask.Flask) -> bool:  # noqa: ARG002
        forwarded = flask.request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip()
        return flask.request.is_secure or forwarded == "https"


def _login(server: flask.Flask, password: str) -> None:
    # A new key with every start: sessions end with the process, and with a change of the password.
    server.secret_key = secrets.token_bytes(32)
    server.session_interface = _Session()
    server.config.update(
        SESSION_COOKIE_NAME="bands_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION,
    )
    manager = flask_login.LoginManager(server)
    manager.session_protection = "strong"
    manager.user_loader(lambda name: _User() if name == _User.id else None)
    slow = Slowdown()

    @server.before_request
    def _asked() -> Response | None:
        path = flask.request.path
        if path in OPEN_PATHS or flask_login.current_user.is_authenticated:
            return None
        if path.startswith(("/_dash", "/alive", "/assets")):
            return flask.Response("sign in first", 401)
        return flask.redirect("/login")

    @server.get("/login")
    def _form() -> Response:
        if flask_login.current_user.is_authenticated:
            return flask.redirect("/")
        return _page()

    @server.post("/login")
    def _enter() -> Response:
        address = flask.request.remote_addr or "unknown"
        if wait := math.ceil(slow.wait_s(address)):
            answer = _page(f"Too many wrong passwords: try again in {wait} s.", 429)
            answer.headers["Retry-After"] = str(wait)
            return answer
        expected = flask.session.get("token", "")
        if not expected or not hmac.compare_digest(expected, flask.request.form.get("token", "")):
            return _page("This form had expired: try again.", 400)
        if not allows(password, flask.request.form.get("password", "")):
            slow.failed(address)
            server.logger.warning("wrong dashboard password from %s", address)
            return _page("Wrong password.", 401)
        slow.succeeded(address)
        flask.session.clear()
        flask.session.permanent = True
        flask_login.login_user(_User())
        return flask.redirect("/")

    @server.post("/logout")
    def _leave() -> Response:
        # A form of another site carries no cookie of ours (SameSite), and gets no further than this.
        flask_login.logout_user()
        flask.session.clear()
        return flask.redirect("/login")


class _User(flask_login.UserMixin):  # type: ignore[misc]
    """Whoever knows the password."""

    id = "desk"


def _page(problem: str = "", status: int = 200) -> flask.Response:
    token = flask.session.get("token") or secrets.token_urlsafe(32)
    flask.session["token"] = token
    body = flask.render_template_string(
        PAGE,
        token=token,
        problem=problem,
        action="/login",
        style="/assets/style.css",
        favicon="/assets/favicon.svg",
    )
    return flask.make_response(body, status)


def _only_this_machine() -> Response | None:
    # A foreign name that was made to point at 127.0.0.1 must not read the page through somebody's browser.
    host = urlsplit(f"//{flask.request.host}").hostname or ""
    if is_loopback(host):
        return None
    return flask.Response("without a password the dashboard answers to this machine's own names only\n", 403)


def _headers(answer: Any) -> Any:
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "no-referrer")
    answer.headers.setdefault("X-Frame-Options", "DENY")
    if flask.request.path in ("/login", "/logout") or flask.request.path.startswith("/_dash-update"):
        answer.headers["Cache-Control"] = "no-store"
    return answer
