"""Journals and result files: damaged, in use, on a full disk, on Redis."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import optuna
import pytest

from contracts.errors import BadInputError
from offline.hpo import TunedSettings, load_best_params, params_path
from offline.hpo.results import write_result
from offline.hpo.storage import open_storage


def journal_at(file: Path, n_trials: int = 2) -> bytes:
    with open_storage(file) as storage:
        study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
        for _ in range(n_trials):
            study.tell(study.ask(), 1.0)
    return file.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda sound: b"\x00" * 40,
        lambda sound: b"my notes, not a journal",
        lambda sound: b"my notes\nnot a journal\n",
        lambda sound: sound[:30] + b"\xff" + sound[31:],
        lambda sound: sound[:20] + sound[60:],
        lambda sound: sound + b"\x00" * 10,
        lambda sound: sound + b"[]\n",
        lambda sound: b"\n".join(sound.splitlines()[1:]) + b"\n",
    ],
    ids=["zeros", "no line", "text", "bad byte", "missing bytes", "zeros behind", "no record", "first gone"],
)
def test_a_damaged_journal_is_told_and_left_alone(tmp_path: Path, damage: object) -> None:
    file = tmp_path / "journal.log"
    broken = damage(journal_at(file))  # type: ignore[operator]
    file.write_bytes(broken)
    with pytest.raises(BadInputError, match="move it away") as told, open_storage(file):
        pass
    assert str(file) in str(told.value)
    assert file.read_bytes() == broken


def test_half_a_record_at_the_end_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "journal.log"
    sound = journal_at(file)
    for size in (1, 5, 30):
        file.write_bytes(sound + sound.splitlines()[-1][:size])
        with open_storage(file) as storage:
            assert len(optuna.load_study(study_name="s", storage=storage).trials) == 2
        assert file.read_bytes() == sound


def test_one_run_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "journal.log"
    with open_storage(file), pytest.raises(BadInputError, match="only search"), open_storage(file):
        pass
    with open_storage(file):
        pass


def test_a_full_disk_leaves_whole_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "journal.log"
    sound = journal_at(file)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_storage(file) as storage:
        study = optuna.load_study(study_name="s", storage=storage)
        with monkeypatch.context() as patch:
            patch.setattr("optuna.storages.journal._file.os.fsync", full)
            with pytest.raises(OSError, match="make room"):
                study.ask()
        assert file.read_bytes() == sound
        study.tell(study.ask(), 2.0)
        assert len(study.trials) == 3


def test_a_full_disk_leaves_the_old_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_result(tmp_path / "best_params_T=42.json", {"old": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("contracts.files.os.fsync", full)
    with pytest.raises(OSError, match="space"):
        write_result(file, {"new": 2})
    assert json.loads(file.read_text()) == {"old": 1}
    assert [f.name for f in tmp_path.iterdir()] == [file.name]


def test_best_params_are_settings_to_train_with(tmp_path: Path) -> None:
    file = params_path(tmp_path, 42)
    write_result(file, {"schema": "hpo/1", "best_params": {"rounds": 9, "lambda_l2": 2, "weight": 0.25}})
    settings = load_best_params(file)
    assert settings == TunedSettings(rounds=9, lambda_l2=2, weight=0.25)
    assert settings.lightgbm(0.5, 100)["lambda_l2"] == 2
    assert settings.to_json()["lambda_l2"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": "hpo/2", "best_params": {}}',
        '{"schema": "hpo/1"}',
        '{"schema": "hpo/1", "best_params": {"trees": 3}}',
        '{"schema": "hpo/1", "best_params": {"rounds": "3"}}',
        '{"schema": "hpo/1", "best_params": {"rounds": 3.5}}',
        '{"schema": "hpo/1", "best_params": {"depth": true}}',
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "best_params_T=42.json"
    file.write_text(text)
    with pytest.raises(BadInputError, match="expected"):
        load_best_params(file)
    with pytest.raises(BadInputError, match="none"):
        load_best_params(tmp_path / "nowhere.json")


def test_optuna_lets_a_gap_pass_and_this_does_not(tmp_path: Path) -> None:
    """Why the records are counted: without it, trials of a lost study would vanish in silence."""
    file = tmp_path / "journal.log"
    lines = journal_at(file).splitlines(keepends=True)
    file.write_bytes(b"".join(lines[1:]))
    backend = optuna.storages.journal.JournalFileBackend(str(file))
    assert optuna.storages.JournalStorage(backend).get_all_studies() == []
