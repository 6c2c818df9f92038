"""Shadow, promote, withdraw, rollback on a real registry and server; cut off at every step and completed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from mlflow.tracking import MlflowClient
from redis import Redis
from typer.testing import CliRunner

from contracts.events import Release
from contracts.model.bundle import verify_bundle, write_bundle
from contracts.registry import BUNDLE_MODEL
from contracts.topics import RELEASES
from offline.registry import publish, sqlite_uri
from ops.cli.app import app
from ops.release import Releases, last_releases
from ops.release.history import PENDING, History
from ops.release.watch import Watch
from ops.settings import Settings
from tests.market import TestMarket
from tests.offline.gates.evidence import POLICY, good_inference, good_results, save
from tests.offline.shadow.streams import Played

pytestmark = pytest.mark.xdist_group("release")

VERSIONS = ("0.1.0-test", "0.2.0-test", "0.3.0-test")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> tuple[Path, list[str]]:
    """A registry of three bundles, the first of them champion, and their labels."""
    folder = tmp_path_factory.mktemp("lineup")
    manifest, _, files = verify_bundle(market.folder)
    labels = []
    for number, version in enumerate(VERSIONS):
        path = write_bundle(folder / version, manifest.model_copy(update={"version": version}), files)
        made = publish(
            path,
            sqlite_uri(folder / "mlflow"),
            artifacts=folder / "mlflow" / "artifacts",
            alias=None if number else "champion",
        )
        labels.append(made.label)
    return folder, labels


@pytest.fixture
def labels(published: tuple[Path, list[str]]) -> list[str]:
    return published[1]


@pytest.fixture
def home(
    published: tuple[Path, list[str]], tmp_path: Path, embedded_url: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A working folder with that registry as it was, and an empty server."""
    registry = tmp_path / "var" / "mlflow"
    registry.mkdir(parents=True)
    shutil.copy(published[0] / "mlflow" / "mlflow.db", registry / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("BANDS_REDIS__URL", embedded_url)
    return tmp_path


@pytest.fixture
def client(home: Path, embedded_url: str) -> Iterator[Any]:
    with Redis.from_url(embedded_url) as client:
        yield client


def bands(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def flat(done: Result) -> str:
    return " ".join(done.output.split())


def aliases(home: Path) -> dict[str, str]:
    registry = MlflowClient(sqlite_uri(home / "var" / "mlflow"), sqlite_uri(home / "var" / "mlflow"))
    return {name: str(at) for name, at in registry.get_registered_model(BUNDLE_MODEL).aliases.items()}


def tags(home: Path, version: str) -> dict[str, str]:
    registry = MlflowClient(sqlite_uri(home / "var" / "mlflow"), sqlite_uri(home / "var" / "mlflow"))
    return dict(registry.get_model_version(BUNDLE_MODEL, version).tags)


def history(client: Any) -> list[Release]:
    return [Release.from_wire(told[b"data"]) for _, told in client.xrange(RELEASES)]


def without_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDS_RELEASE__REQUIRE_GATES", "false")


def test_shadow_promote_rollback(
    home: Path, client: Any, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gates(monkeypatch)
    empty = bands("shadow")
    assert empty.exit_code == 0, empty.output
    assert f"champion {labels[0]} (version 1)" in flat(empty)

    put = bands("shadow", labels[1], "--share", "0.3", "--by", "ada", "--why", "retrained")
    assert put.exit_code == 0, put.output
    assert aliases(home) == {"champion": "1", "challenger": "2"}
    assert tags(home, "2")["share"] == "0.3"
    assert "nothing changed" in flat(bands("shadow", "2", "--share", "0.3"))

    Played(client, champion=labels[0], challenger=labels[1], champion_width=1.0).play(80)
    told = json.loads(bands("shadow", "--json").stdout)
    assert (told["champion"]["version"], told["challenger"]["label"], told["share"]) == ("1", labels[1], 0.3)
    assert told["comparison"]["verdict"] == "undecided"
    assert told["comparison"]["bars"] == 80 - 66
    assert "verdict undecided" in flat(bands("shadow"))

    done = bands("promote", "--by", "ada", "--why", "good enough")
    assert done.exit_code == 0, done.output
    assert aliases(home) == {"champion": "2", "previous": "1"}
    assert "share" not in tags(home, "2")
    assert (tags(home, "1")["stage"], tags(home, "2")["stage"]) == ("archived", "production")

    back = bands("rollback", "--by", "ada", "--why", "coverage", "--json")
    assert back.exit_code == 0, back.output
    assert json.loads(back.stdout)["release"]["to_bundle"] == labels[0]
    assert aliases(home) == {"champion": "1", "previous": "2"}
    assert [(r.action, r.to_bundle, r.from_bundle, r.share, r.by, r.why) for r in history(client)] == [
        ("shadow", labels[1], None, 0.3, "ada", "retrained"),
        ("promote", labels[1], labels[0], 1.0, "ada", "good enough"),
        ("rollback", labels[0], labels[1], 1.0, "ada", "coverage"),
    ]
    assert [r.action for r in last_releases(client, 2)] == ["rollback", "promote"]
    assert "rollback →" in flat(bands("shadow"))


def test_withdraw_and_another_challenger(home: Path, client: Any, labels: list[str]) -> None:
    bands("shadow", "2", "--share", "0.5")
    bands("shadow", "3")
    assert aliases(home)["challenger"] == "3"
    assert "share" not in tags(home, "2")
    done = bands("shadow", "--withdraw", "--why", "not now")
    assert done.exit_code == 0, done.output
    assert aliases(home) == {"champion": "1"}
    assert tags(home, "3")["stage"] == "archived"
    assert [(r.action, r.from_bundle) for r in history(client)] == [
        ("shadow", None),
        ("shadow", labels[1]),
        ("withdraw", labels[2]),
    ]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["promote"], 1, "expected a challenger, found none"),
        (["rollback"], 1, "expected a previous champion to go back to, found none"),
        (["shadow", "--withdraw"], 1, "expected a challenger, found none"),
        (["shadow", "1"], 1, "it is served already"),
        (["shadow", "99"], 3, "expected the version or label of a registered bundle, found '99'"),
        (["shadow", "2", "--share", "1.5"], 3, "expected a share of symbols in 0..1, found 1.5"),
        (["shadow", "--share", "0.3"], 3, "expected a bundle with --share"),
        (["shadow", "2", "--withdraw"], 3, "found several; give one"),
        (["promote", "--force"], 3, "expected --why with --force"),
        (["promote", "--redis-url", "redis://127.0.0.1:9"], 4, "error"),
    ],
)
def test_refused_and_nothing_changed(home: Path, client: Any, words: list[str], code: int, told: str) -> None:
    done = bands(*words)
    assert done.exit_code == code, done.output
    assert told in flat(done)
    assert aliases(home) == {"champion": "1"}
    assert history(client) == []
    assert client.get(PENDING) is None


def test_promotion_needs_a_go_of_the_gates_about_this_bundle(
    home: Path, client: Any, published: tuple[Path, list[str]], market: TestMarket
) -> None:
    assert bands("shadow", "2").exit_code == 0
    missing = bands("promote")
    assert missing.exit_code == 1
    assert "expected a quality gates report about" in flat(missing)
    folder = published[0] / VERSIONS[1]
    manifest, sha256, _ = verify_bundle(folder)
    save(good_results(manifest), home / "wf" / "results.json")
    save(good_inference(sha256), home / "inference.json")
    (home / "own.toml").write_text(POLICY)
    judged = bands(
        "gates", "--results", "wf", "--bundle", str(folder), "--inference", "inference.json", "--policy",
        "own.toml", "--out", "var/retrain/r1/quality_gates_report.json",
    )  # fmt: skip
    assert judged.exit_code == 0, judged.output
    other = bands("promote", "--gates", "wf/results.json")
    assert other.exit_code == 1, "not a gates report"
    assert aliases(home)["champion"] == "1"
    assert bands("promote").exit_code == 0
    assert aliases(home)["champion"] == "2"


def test_promotion_needs_both_signatures_where_settings_say_so(
    home: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gates(monkeypatch)
    monkeypatch.setenv("BANDS_RELEASE__REQUIRE_SIGNOFF", "true")
    bands("shadow", "2")
    done = bands("promote")
    assert done.exit_code == 1
    assert "expected sign-off of bundle" in flat(done)
    forced = bands("promote", "--force", "--why", "the champion is broken")
    assert forced.exit_code == 0, forced.output
    assert "the champion is broken (forced: expected sign-off" in history(client)[-1].why


def test_a_loser_is_refused_and_withdrawn_by_the_automatic_policy(
    home: Path, client: Any, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gates(monkeypatch)
    bands("shadow", "2")
    Played(client, champion=labels[0], challenger=labels[1], champion_width=1.0, challenger_width=0.3).play(
        700
    )
    refused = bands("promote")
    assert refused.exit_code == 1
    assert "it loses in shadow" in flat(refused)
    told = watched(client, "automatic")
    assert told[-1] == f"withdrew {labels[1]}"
    assert aliases(home) == {"champion": "1"}
    assert history(client)[-1].by == "policy automatic"


def watched(client: Any, policy: Any, looks: int = 2) -> list[str]:
    told: list[str] = []
    watch = Watch(Settings(), client, policy, told.append)
    for _ in range(looks):
        watch.look()
    return told if told[-1] != "no challenger in shadow; waiting for one" else told[:-1]


def test_a_winner_takes_over_and_after_a_rollback_must_prove_itself_anew(
    home: Path, client: Any, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gates(monkeypatch)
    bands("shadow", "2")
    Played(client, champion=labels[0], challenger=labels[1]).play(700)
    manual = watched(client, "manual")
    assert len(manual) == 1, "the same is told once"
    assert ": win, pinball -" in manual[0]
    assert aliases(home)["champion"] == "1"
    assert watched(client, "automatic")[-1] == f"promoted {labels[1]}"
    assert aliases(home) == {"champion": "2", "previous": "1"}
    assert ": win, pinball -" in history(client)[-1].why

    assert bands("rollback").exit_code == 0
    assert bands("shadow", "2").exit_code == 0
    again = json.loads(bands("shadow", "--json").stdout)["comparison"]
    assert (again["verdict"], again["bars"]) == ("undecided", 0)
    watched(client, "automatic")
    assert aliases(home)["champion"] == "1"


def test_a_win_without_gates_is_told_and_waits(home: Path, client: Any, labels: list[str]) -> None:
    bands("shadow", "2")
    Played(client, champion=labels[0], challenger=labels[1]).play(700)
    told = watched(client, "automatic", looks=3)
    assert len(told) == 2, told
    assert "has won and is not promoted: expected a quality gates report" in told[-1]
    assert aliases(home) == {"champion": "1", "challenger": "2"}


class Killed(BaseException):
    """The process is gone: nobody catches it."""


MUTATIONS = (
    "set_registered_model_alias", "delete_registered_model_alias", "set_model_version_tag",
    "delete_model_version_tag",
)  # fmt: skip


@pytest.mark.parametrize("action", ["shadow", "promote", "withdraw", "rollback"])
def test_cut_off_at_any_step_it_is_completed_and_told_once(
    home: Path, client: Any, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write to registry or server is the last thing that happens."""
    database = home / "var" / "mlflow" / "mlflow.db"
    releases = Releases(Settings(), client)
    if action != "shadow":
        releases.shadow("2", share=0.5, by="ada", why="")
    if action == "rollback":
        releases.promote(by="ada", why="")
        releases.shadow("3", share=0.0, by="ada", why="")
    start, entries = database.read_bytes(), len(history(client))
    write(releases, action)
    goal, goal_tags = aliases(home), [tags(home, str(n)) for n in (1, 2, 3)]
    done = history(client)[-1]

    for step in range(100):
        database.write_bytes(start)
        for entry, _ in client.xrange(RELEASES)[entries:]:
            client.xdel(RELEASES, entry)
        with monkeypatch.context() as patch:
            left = cut(patch, step)
            try:
                write(releases, action)
            except Killed:
                pass
            else:
                assert left() >= 0
                break
        releases.complete()
        assert aliases(home) == goal, f"cut after write {step}"
        assert [tags(home, str(n)) for n in (1, 2, 3)] == goal_tags, f"cut after write {step}"
        new = history(client)[entries:]
        assert [(r.action, r.to_bundle, r.from_bundle) for r in new] == [
            (done.action, done.to_bundle, done.from_bundle)
        ]
        assert releases.complete() is None
    assert step >= 4


def write(releases: Releases, action: str) -> None:
    if action == "shadow":
        releases.shadow("2", share=0.5, by="ada", why="")
    else:
        getattr(releases, action)(by="ada", why="")


def cut(patch: pytest.MonkeyPatch, step: int) -> Any:
    """Die after the write number `step`; returns how many writes are left until then."""
    left = [step]

    def mortal(target: Any, name: str) -> None:
        real = getattr(target, name)

        def write(*args: Any, **more: Any) -> Any:
            answer = real(*args, **more)
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return answer

        patch.setattr(target, name, write)

    for name in MUTATIONS:
        mortal(MlflowClient, name)
    for name in ("begin", "finish"):
        mortal(History, name)
    return lambda: left[0]


def test_the_next_command_completes_what_was_cut_off(
    home: Path, client: Any, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut(patch, 1)
        with pytest.raises(Killed):
            Releases(Settings(), client).shadow("2", share=0.25, by="ada", why="new")
    assert history(client) == []
    shown = bands("shadow")
    assert f"completed a shadow to {labels[1]} that was cut off" in flat(shown)
    assert aliases(home)["challenger"] == "2"
    assert [r.by for r in history(client)] == ["ada"]


def test_a_note_that_can_not_be_made_is_given_up(home: Path, client: Any, labels: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        cut(patch, 0)
        with pytest.raises(Killed):
            Releases(Settings(), client).shadow("3", share=0.0, by="ada", why="")
    registry = MlflowClient(sqlite_uri(home / "var" / "mlflow"), sqlite_uri(home / "var" / "mlflow"))
    registry.delete_model_version(BUNDLE_MODEL, "3")
    first = bands("shadow")
    assert first.exit_code == 1
    assert "the change is given up" in flat(first)
    assert bands("shadow").exit_code == 0
    assert history(client) == []
