from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contracts.model.candle import Candle, History, violation
from contracts.model.grid import BAR_SECONDS
from offline.ingest import BarFileError, history_sha256, read_bars, read_many, write_bars
from offline.ingest.reader import _suspect


def csv(frame: pd.DataFrame, folder: Path, name: str = "binance_BTCUSDT_4h.csv") -> Path:
    path = folder / name
    frame.to_csv(path, index=False)
    return path


def parquet(frame: pd.DataFrame, folder: Path, name: str = "binance_BTCUSDT_4h.parquet") -> Path:
    path = folder / name
    frame.to_parquet(path)
    return path


def assert_same(left: History, right: History) -> None:
    assert left.symbol == right.symbol
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_csv_and_parquet_give_the_same_bits_and_hash(
    frame: pd.DataFrame, history: History, tmp_path: Path
) -> None:
    from_csv, from_parquet = read_bars(csv(frame, tmp_path)), read_bars(parquet(frame, tmp_path))
    assert_same(from_csv.history, history)
    assert_same(from_parquet.history, history)
    assert from_csv.report.sha256 == from_parquet.report.sha256 == history_sha256(history)
    assert from_csv.report.bars == 60
    assert from_csv.report.completeness == 1.0


def test_hash_sees_every_value(history: History) -> None:
    seen = {history_sha256(history)}
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        changed = {n: getattr(history, n).copy() for n in history.__slots__ if n != "symbol"}
        changed[name][7] += 1
        seen.add(history_sha256(History("BTCUSDT", **changed)))
    assert len(seen) == 7


def test_write_reads_back_and_leaves_no_litter(history: History, tmp_path: Path) -> None:
    path = write_bars(history, tmp_path / "deep" / "anything.parquet")
    assert_same(read_bars(path).history, history)
    assert [p.name for p in path.parent.iterdir()] == ["anything.parquet"]
    with pytest.raises(ValueError, match="found an empty history"):
        write_bars(history.between(None, 0), path)
    assert_same(read_bars(path).history, history)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_timestamps_of_any_resolution_and_zone(
    frame: pd.DataFrame, history: History, tmp_path: Path, unit: str, zone: str | None
) -> None:
    times = pd.to_datetime(frame["open_time"], unit="s", utc=True)
    times = times.dt.tz_localize(None) if zone is None else times.dt.tz_convert(zone)
    frame["open_time"] = times.dt.as_unit(unit)  # type: ignore[arg-type]
    read = read_bars(parquet(frame, tmp_path))
    assert_same(read.history, history)
    assert ("assumed UTC" in read.report.notes[0]) is (zone is None)
    assert_same(read_bars(parquet(frame.set_index("open_time"), tmp_path)).history, history)
    assert_same(read_bars(csv(frame, tmp_path)).history, history)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_epoch_units_are_told_apart(
    frame: pd.DataFrame, history: History, tmp_path: Path, unit: str, factor: int
) -> None:
    frame["open_time"] *= factor
    for path in (csv(frame, tmp_path), parquet(frame, tmp_path)):
        read = read_bars(path)
        assert_same(read.history, history)
        assert read.report.notes == (f"60 open_time read as epoch {unit}",)


def test_an_archive_that_changes_its_unit(frame: pd.DataFrame, history: History, tmp_path: Path) -> None:
    frame["open_time"] = np.where(frame.index < 20, frame["open_time"] * 10**3, frame["open_time"] * 10**6)
    read = read_bars(csv(frame, tmp_path))
    assert_same(read.history, history)
    assert read.report.notes == ("20 open_time read as epoch ms", "40 open_time read as epoch us")


def test_repairs_are_reported_with_their_rows(frame: pd.DataFrame, history: History, tmp_path: Path) -> None:
    mixed = pd.concat([frame.iloc[:10], frame.iloc[20:], frame.iloc[10:20], frame.iloc[[5]]])
    read = read_bars(csv(mixed, tmp_path))
    assert_same(read.history, history)
    assert read.report.unordered.count == 11
    assert (read.report.unordered.first[0].row, read.report.unordered.first[0].line) == (51, 52)
    assert read.report.duplicates.count == 1
    assert read.report.duplicates.first[0].row == 61
    assert read.report.duplicates.share == pytest.approx(1 / 61)


def test_oddities_are_reported_and_kept(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame = frame.drop(index=[7, 30, 31, 32]).reset_index(drop=True)
    frame.loc[40, "volume"] = 0
    frame.loc[45:49, ["open", "high", "low", "close"]] = 100.0
    frame.loc[55:, ["open", "high", "low", "close"]] *= 3
    report = read_bars(csv(frame, tmp_path)).report
    assert [gap.bars for gap in report.gaps] == [1, 3]
    assert (report.missing_bars, report.longest_gap, report.bars) == (4, 3, 56)
    assert report.completeness == pytest.approx(56 / 60)
    assert [spot.row for spot in report.zero_volume.first] == [41]
    assert [run.bars for run in report.flat_runs] == [5]
    assert [spot.row for spot in report.extreme_returns.first] == [56]
    text = "\n".join(report.lines())
    assert "4 missing bars in 2 gaps, the longest 3 bars" in text
    data = report.to_json()
    assert data["missing_bars"] == 4
    assert data["zero_volume"]["first"] == [{"row": 41, "line": 42, "open_time": "2020-01-08T08:00:00Z"}]


BAD_CELLS = [
    ("close", "n/a", "expected close to be a number, found 'n/a'"),
    ("close", "", "expected close to be a number, found ''"),
    ("close", "1_000", "expected close to be a number, found '1_000'"),
    ("open", "nan", "expected a finite open, found nan"),
    ("high", "inf", "expected a finite high, found inf"),
    ("low", "-1", "expected low > 0, found -1.0"),
    ("low", "1e9", "expected low <= high"),
    ("volume", "-1", "expected a finite volume >= 0"),
    (
        "open_time",
        "1577901600",
        "on the 4-hour grid (00, 04, 08, 12, 16, 20 UTC), found 1577901600 (2020-01-0",
    ),
    ("open_time", "1577952000001", "on the 4-hour grid"),
    ("open_time", "yesterday", "expected open_time as ISO 8601 text or an epoch number, found 'yesterday'"),
    ("open_time", "0", "expected open_time in the years 2009 to 2100"),
    ("open_time", "2199-01-01", "expected open_time in the years 2009 to 2100, found 2199-01-01"),
    ("open_time", "", "expected an open_time, found none"),
]


@pytest.mark.parametrize(("column", "cell", "reason"), BAD_CELLS)
def test_a_bad_cell_is_named_by_row_and_line(
    frame: pd.DataFrame, tmp_path: Path, column: str, cell: str, reason: str
) -> None:
    text = frame.astype(object)
    text.loc[8, column] = cell
    path = csv(text, tmp_path)
    with pytest.raises(BarFileError) as caught:
        read_bars(path)
    assert str(caught.value).startswith("binance_BTCUSDT_4h.csv, row 9 (line 10): ")
    assert reason in str(caught.value)
    assert "on_bad='drop'" in str(caught.value)
    assert (caught.value.row, caught.value.line) == (9, 10)
    history, report = read_bars(path, on_bad="drop")
    assert len(history) == 59
    assert [(item.spot.row, reason in item.reason) for item in report.rejected] == [(9, True)]
    assert report.to_json()["rejected"][0]["line"] == 10


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("close", None, "expected a finite close, found nan"),
        ("close", True, "expected close to be a number, found True"),
        ("open_time", "2020-01-02T08:30:00", "on the 4-hour grid"),
    ],
)
def test_a_bad_value_in_parquet(
    frame: pd.DataFrame, tmp_path: Path, column: str, cell: str | bool | None, reason: str
) -> None:
    table = frame.astype({column: str}) if cell is not None else frame
    if cell is True:
        table[column] = True
    else:
        table.loc[8, column] = cell
    with pytest.raises(BarFileError, match=f"row {1 if cell is True else 9}: .*{reason}"):
        read_bars(parquet(table, tmp_path))


def test_missing_and_subsecond_timestamps_in_parquet(frame: pd.DataFrame, tmp_path: Path) -> None:
    times = (frame["open_time"].to_numpy() * 10**9).astype("datetime64[ns]")
    times[3] = np.datetime64("NaT")
    times[4] += np.timedelta64(1, "ns")
    frame["open_time"] = times
    report = read_bars(parquet(frame, tmp_path), on_bad="drop").report
    assert [item.reason[:28] for item in report.rejected] == [
        "expected an open_time, found",
        "expected open_time on the 4-",
    ]


def test_the_first_of_two_conflicting_bars_stays(
    frame: pd.DataFrame, history: History, tmp_path: Path
) -> None:
    other = frame.iloc[[5]].assign(volume=1.0)
    path = csv(pd.concat([frame, other, frame.iloc[[5]]]), tmp_path)
    with pytest.raises(
        BarFileError, match=r"row 61 \(line 62\): expected one bar per open_time, found 2020-"
    ):
        read_bars(path)
    read = read_bars(path, on_bad="drop")
    assert_same(read.history, history)
    assert read.report.duplicates.count == 1
    assert "with volume 1.0 where row 6 (line 7)" in read.report.rejected[0].reason


def test_a_broken_line_and_blank_lines_keep_the_count(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = csv(frame, tmp_path)
    lines = path.read_text().splitlines()
    lines[10] += ",surplus"
    path.write_text("\ufeff" + "\n".join([*lines[:5], "", *lines[5:], "", ""]))
    with pytest.raises(
        BarFileError, match=r"row 10 \(line 12\): expected 6 fields as in the header, found 7"
    ):
        read_bars(path)
    assert len(read_bars(path, on_bad="drop").history) == 59


def test_other_delimiters_capitals_and_extra_columns(
    frame: pd.DataFrame, history: History, tmp_path: Path
) -> None:
    path = tmp_path / "binance_BTCUSDT_4h.csv"
    renamed = frame.assign(trades=1).rename(columns=str.title).rename(columns={"Open_Time": "OPEN_TIME"})
    renamed.to_csv(path, index=False, sep=";")
    assert_same(read_bars(path).history, history)


def test_files_that_are_no_bar_files(frame: pd.DataFrame, tmp_path: Path) -> None:
    fake = tmp_path / "fake.parquet"
    fake.write_text("open_time,open\n")
    noise = tmp_path / "noise.csv"
    noise.write_bytes(b"\xff\xfe\x00\x01\x80")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    cases = {
        tmp_path / "absent.csv": "found none",
        fake: "expected a readable parquet file",
        noise: "expected a readable CSV file in UTF-8",
        empty: "found nothing",
        csv(frame.iloc[:0], tmp_path, "header.csv"): "found no data row",
        csv(frame.drop(columns="low"), tmp_path, "low.csv"): r"\(missing: low\)",
        parquet(frame.iloc[:0], tmp_path, "none.parquet"): "found no data row",
        tmp_path: "found none",
    }
    for path, reason in cases.items():
        with pytest.raises(BarFileError, match=reason):
            read_bars(path)
    (tmp_path / "bars.xlsx").write_text("")
    with pytest.raises(BarFileError, match=r"found the ending '.xlsx'"):
        read_bars(tmp_path / "bars.xlsx")


def test_bars_of_another_length_never_pass(frame: pd.DataFrame, tmp_path: Path) -> None:
    hourly = frame.assign(open_time=frame["open_time"].iloc[0] + 3600 * np.arange(60))
    with pytest.raises(BarFileError, match="as 45 of 60 rows"):
        read_bars(csv(hourly, tmp_path), on_bad="drop")
    daily = frame.assign(open_time=frame["open_time"].iloc[0] + 86_400 * np.arange(60))
    with pytest.raises(BarFileError, match="found a usual distance of 24 hours"):
        read_bars(csv(daily, tmp_path))


def test_nothing_left_is_an_error_even_when_dropping(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(BarFileError, match="nothing is left to read"):
        read_bars(csv(frame.assign(close=-1.0), tmp_path), on_bad="drop")


def test_symbols(frame: pd.DataFrame, history: History, tmp_path: Path) -> None:
    both = pd.concat([frame.assign(symbol="BTCUSDT"), frame.assign(symbol="ETHUSDT", close=frame["open"])])
    path = csv(both.sort_values("open_time"), tmp_path, "all.csv")
    many = read_many(path)
    assert list(many) == ["BTCUSDT", "ETHUSDT"]
    assert_same(many["BTCUSDT"].history, history)
    assert_same(read_bars(path, "BTCUSDT").history, history)
    with pytest.raises(BarFileError, match="expected one symbol, found 2: BTCUSDT, ETHUSDT"):
        read_bars(path)
    with pytest.raises(BarFileError, match="expected bars of XRPUSDT, found BTCUSDT, ETHUSDT"):
        read_bars(path, "XRPUSDT")
    plain = csv(frame, tmp_path, "mycoin.csv")
    assert list(read_many(plain)) == ["MYCOIN"]
    assert read_bars(plain, "BTC-USD").history.symbol == "BTC-USD"
    with pytest.raises(BarFileError, match="expected a symbol of 1 to 32"):
        read_bars(plain, "btc usd")
    with pytest.raises(BarFileError, match=r"row 1 \(line 2\): expected a symbol"):
        read_bars(csv(frame.assign(symbol="lower"), tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(cell="10E18", at=2)
@given(cell=st.text(max_size=30) | st.floats().map(str) | st.integers().map(str), at=st.integers(0, 5))
def test_any_text_in_a_cell_is_read_or_refused(
    frame: pd.DataFrame, tmp_path: Path, cell: str, at: int
) -> None:
    text = frame.astype(object)
    text.iloc[8, at] = cell
    path = tmp_path / "fuzz.csv"
    text.to_csv(path, index=False, encoding="utf-8", errors="replace")
    try:
        history = read_bars(path).history
    except BarFileError as error:
        assert error.row is None or error.row >= 1  # noqa: PT017 - both ways out are right
        history = read_bars(path, on_bad="drop").history
        assert len(history) >= 58
    assert all(violation(candle) is None for candle in history.candles())
    assert (np.diff(history.open_time) > 0).all()


floats = st.sampled_from(
    [-1.0, 0.0, 1e-19, 0.5, 1.0, 2.0, 3.0, 1e18, 1e19, float("nan"), float("inf"), -float("inf")]
)


@given(st.tuples(floats, floats, floats, floats, floats))
def test_the_fast_screen_is_the_common_rule(row: tuple[float, float, float, float, float]) -> None:
    with np.errstate(invalid="ignore"):
        suspect = bool(_suspect(np.array([row]))[0])
    assert suspect == (violation(Candle(BAR_SECONDS, *row)) is not None)


README_TABLE = {  # data/README.md: bars, first bar, missing bars, zero-volume bars
    "bitstamp_BTCUSD": ("BTCUSD", 29_307, "2011-08-18", 0, 888),
    "binance_BTCUSDT": ("BTCUSDT", 16_147, "2017-08-17", 16, 1),
    "binance_ETHUSDT": ("ETHUSDT", 16_147, "2017-08-17", 16, 1),
    "binance_SOLUSDT": ("SOLUSDT", 9_623, "2020-08-11", 0, 0),
    "binance_XRPUSDT": ("XRPUSDT", 14_593, "2018-05-04", 9, 0),
    "binance_LTCUSDT": ("LTCUSDT", 15_440, "2017-12-13", 16, 0),
    "binance_ADAUSDT": ("ADAUSDT", 14_696, "2018-04-17", 9, 0),
}


@pytest.mark.parametrize("name", README_TABLE)
def test_real_bars_are_as_described(real_bars: Path, name: str) -> None:
    symbol, bars, first, missing, silent = README_TABLE[name]
    history, report = read_bars(real_bars / f"{name}_4h.parquet")
    assert (history.symbol, len(history), report.bars) == (symbol, bars, bars)
    assert report.to_json()["first_open_time"][:10] == first
    assert report.to_json()["last_open_time"] == "2024-12-31T20:00:00Z"
    assert (report.missing_bars, report.zero_volume.count) == (missing, silent)
    assert report.longest_gap <= 7
    assert report.unordered.count == report.duplicates.count == len(report.rejected) == 0


def test_real_bars_through_csv_keep_their_hash(real_bars: Path, tmp_path: Path) -> None:
    original = read_bars(real_bars / "binance_SOLUSDT_4h.parquet")
    path = tmp_path / "sol.csv"
    pd.read_parquet(real_bars / "binance_SOLUSDT_4h.parquet").to_csv(path, index=False)
    assert read_bars(path).report.sha256 == original.report.sha256
