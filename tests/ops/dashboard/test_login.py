"""Who gets in, and what a browser is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from werkzeug.security import generate_password_hash

from contracts.errors import BadInputError
from ops.cli.app import app as cli
from ops.dashboard.app import make_app
from ops.dashboard.desk import make_desk
from ops.dashboard.login import Slowdown, password_of
from ops.settings import Settings, SettingsError
from ops.settings.sections import DashboardSettings

PASSWORD = "a-long-enough-secret"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BANDS_WORKSPACE", str(tmp_path / "var"))


def client(password: str | None) -> Any:
    return make_app(make_desk(Settings()), password).server.test_client()


def token(page: Any) -> str:
    return str(re.search(r'name="token" value="([^"]+)"', page.text)[1])


def sign_in(browser: Any, password: str) -> Any:
    page = browser.get("/login")
    return browser.post("/login", data={"password": password, "token": token(page)})


def test_another_address_asks_for_a_password_before_anything_listens() -> None:
    with pytest.raises(BadInputError, match=r"a password beside dashboard\.host 0\.0\.0\.0"):
        password_of(DashboardSettings(host="0.0.0.0"))
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert password_of(DashboardSettings(host=host)) is None
    done = CliRunner().invoke(cli, ["dashboard", "--host", "0.0.0.0"])
    assert done.exit_code == 3


def test_passwords_come_from_a_variable_or_a_file_and_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDS_DASHBOARD__PASSWORD", PASSWORD)
    settings = Settings()
    assert password_of(settings.dashboard) == PASSWORD
    assert PASSWORD not in str(settings.describe()) + repr(settings) + str(settings.model_dump())
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    assert password_of(DashboardSettings(host="0.0.0.0", password_file=file)) == PASSWORD
    with pytest.raises(BadInputError, match="found both"):
        password_of(DashboardSettings(password="another-secret", password_file=file))
    with pytest.raises(BadInputError, match="at least 8"):
        password_of(DashboardSettings(password="short"))
    with pytest.raises(BadInputError, match=r"dashboard\.password_file"):
        password_of(DashboardSettings(password_file=tmp_path / "absent"))


def test_a_wrong_kind_of_password_is_not_printed_either(tmp_path: Path) -> None:
    (tmp_path / "bands.toml").write_text('[dashboard]\npassword = ["hush-hush-hush"]\n')
    try:
        shown = str(Settings().describe())
    except SettingsError as error:
        shown = str(error)
    assert "hush" not in shown


def test_without_signing_in_there_is_nothing_but_the_form() -> None:
    browser = client(PASSWORD)
    assert browser.get("/").headers["Location"] == "/login"
    assert browser.get("/calibration").status_code == 302
    for path in ("/_dash-layout", "/_dash-dependencies", "/alive"):
        answer = browser.get(path)
        assert (answer.status_code, answer.text) == (401, "sign in first")
    body = {"output": "bands-words.children", "inputs": []}
    assert browser.post("/_dash-update-component", json=body).status_code == 401
    assert browser.get("/health").json == {"alive": True}
    assert browser.get("/login").status_code == 200


@pytest.mark.parametrize(
    "kept", [PASSWORD, generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")], ids=["plain", "hashed"]
)
def test_the_password_opens_the_page_and_signing_out_closes_it(kept: str) -> None:
    browser = client(kept)
    assert sign_in(browser, "a-wrong-secret").status_code == 401
    assert sign_in(browser, kept if kept != PASSWORD else "x").status_code == 401, "a hash is no password"
    answer = sign_in(browser, PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie, "plain http would lose it"
    assert "Quant Bands" in browser.get("/").text
    assert browser.get("/alive").status_code == 200
    assert browser.post("/logout").headers["Location"] == "/login"
    assert browser.get("/alive").status_code == 401


def test_behind_https_the_cookie_travels_by_https_alone() -> None:
    browser = client(PASSWORD)
    answer = browser.get("/login", headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_form_from_elsewhere_is_refused() -> None:
    browser = client(PASSWORD)
    assert browser.post("/login", data={"password": PASSWORD}).status_code == 400
    browser.get("/login")
    assert browser.post("/login", data={"password": PASSWORD, "token": "forged"}).status_code == 400
    assert browser.get("/alive").status_code == 401


def test_guessing_gets_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.dashboard.login.Slowdown", lambda: Slowdown(lambda: 0.0))
    browser = client(PASSWORD)
    tries = [sign_in(browser, f"guess-number-{n}").status_code for n in range(8)]
    assert tries[:6] == [401] * 6
    assert tries[6] == 429
    right = sign_in(browser, PASSWORD)
    assert right.status_code == 429, "the right one waits as long"
    assert int(right.headers["Retry-After"]) > 0
    page = browser.get("/login")
    other = {"REMOTE_ADDR": "198.51.100.7"}
    form = {"password": PASSWORD, "token": token(page)}
    assert browser.post("/login", data=form, environ_base=other).status_code == 302


def test_without_a_password_foreign_names_for_this_machine_are_refused() -> None:
    browser = client(None)
    assert browser.get("/", headers={"Host": "localhost:8110"}).status_code == 200
    assert browser.get("/", headers={"Host": "[::1]:8110"}).status_code == 200
    assert browser.get("/", headers={"Host": "evil.example:8110"}).status_code == 403


def test_a_browser_is_told_to_load_from_here_alone() -> None:
    answer = client(None).get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_every_view_has_its_layout_and_callbacks() -> None:
    browser = client(None)
    wired = json.dumps(browser.get("/_dash-dependencies").json)
    for part in ("bands-graph", "coverage-graph", "alerts-graph", "lineup-graph", "backlog-graph"):
        assert f"{part}.figure" in wired
