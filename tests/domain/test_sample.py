"""The sample bars: what they are, and that every planted defect is one."""

import numpy as np
import pytest

from actors.domain.intervals import Interval
from actors.domain.sample import (
    DEFAULT_SEED,
    INSTRUMENTS,
    MINUTE_NS,
    PLANTED,
    Instrument,
    Planted,
    Rows,
    clean_bars,
    sample_bars,
    sample_hours,
    sample_metadata,
)
from actors.domain.screening import VALUES, Screened, StoredRows, screen
from actors.domain.session_plan import Hours, Session

SHOWN = slice(21, 24)
"""2025-07-02, 07-03 and 07-07."""

by_symbol = pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.symbol)


def screened(rows: Rows, hours: Hours, previous_close_ns: int) -> Screened:
    chosen = (rows["open_ts"] >= previous_close_ns) & (rows["open_ts"] < hours.close_ns)
    stored = StoredRows(
        open_ts=rows["open_ts"][chosen],
        columns={name: rows[name][chosen] for name in VALUES},
        rows=np.flatnonzero(chosen),
        files=(("part-0.parquet", int(chosen.sum())),),
    )
    session = Session(
        index=0,
        date="2025-07-02",
        kind="full",
        open_ns=hours.open_ns,
        close_ns=hours.close_ns,
        parts=(hours,),
        previous_close_ns=previous_close_ns,
    )
    return screen(stored, 0, session, Interval.parse("1m"), 2.0)


def minutes_of(hours: Hours) -> set[int]:
    return set(range(hours.open_ns, hours.close_ns, MINUTE_NS))


def lost_minutes(planted: Planted) -> set[int]:
    if planted.kind not in {"missing", "bad_ohlc"}:
        return set()
    return {planted.open_ts + count * MINUTE_NS for count in range(planted.minutes)}


def test_the_hours_are_28_sessions_with_one_half_day() -> None:
    hours = sample_hours()
    lengths = [len(minutes_of(session)) for session in hours]
    assert len(hours) == 28
    assert sorted(lengths) == [210] + [390] * 27
    assert lengths[SHOWN] == [390, 210, 390]


@by_symbol
def test_every_planted_defect_is_found_and_nothing_else(instrument: Instrument) -> None:
    rows = sample_bars(instrument, DEFAULT_SEED)
    expected = {(p.kind, p.open_ts) for p in PLANTED if p.symbol == instrument.symbol and p.kind != "missing"}
    lost = set().union(*(lost_minutes(p) for p in PLANTED if p.symbol == instrument.symbol))
    found, missing = set(), set()
    previous_close_ns = 0
    for hours in sample_hours():
        result = screened(rows, hours, previous_close_ns)
        found |= {(defect.kind, defect.open_ts) for defect in result.defects}
        missing |= minutes_of(hours) - set(result.bars["open_ts"].tolist())
        previous_close_ns = hours.close_ns
    assert found == expected
    assert missing == lost


def test_every_kind_of_defect_is_planted_in_the_sessions_that_the_example_shows() -> None:
    first, last = sample_hours()[SHOWN][0], sample_hours()[SHOWN][-1]
    assert all(first.open_ns <= planted.open_ts < last.close_ns for planted in PLANTED)
    assert {planted.kind for planted in PLANTED} == {
        "missing",
        "duplicate_same",
        "duplicate_conflict",
        "bad_ohlc",
        "off_grid",
        "out_of_order",
    }
    assert any(planted.minutes > 1 for planted in PLANTED)


def test_no_minute_is_missing_for_both_symbols() -> None:
    lost = [
        set().union(*(lost_minutes(planted) for planted in PLANTED if planted.symbol == instrument.symbol))
        for instrument in INSTRUMENTS
    ]
    assert not lost[0] & lost[1]


@by_symbol
def test_prices_are_whole_cents_and_volumes_whole_shares(instrument: Instrument) -> None:
    rows = sample_bars(instrument, DEFAULT_SEED)
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(np.round(rows[name], 2), rows[name])
    assert np.array_equal(np.round(rows["volume"]), rows["volume"])


@by_symbol
def test_no_gap_over_night_reaches_five_percent(instrument: Instrument) -> None:
    hours = sample_hours()
    rows = clean_bars(instrument, hours, DEFAULT_SEED)
    first = np.searchsorted(rows["open_ts"], [session.open_ns for session in hours[1:]])
    gaps = rows["open"][first] / rows["close"][first - 1] - 1
    assert np.abs(gaps).max() < 0.05


@by_symbol
def test_volume_is_higher_at_the_ends_of_the_day_than_in_its_middle(instrument: Instrument) -> None:
    volume = clean_bars(instrument, sample_hours()[:5], DEFAULT_SEED)["volume"].reshape(5, 390)
    assert volume[:, :30].mean() > 2 * volume[:, 180:210].mean()
    assert volume[:, -30:].mean() > 2 * volume[:, 180:210].mean()


@by_symbol
def test_every_session_has_crossovers_of_the_averages_of_10_and_20_five_minute_closes(
    instrument: Instrument,
) -> None:
    hours = sample_hours()
    closes = clean_bars(instrument, hours, DEFAULT_SEED)["close"][4::5]
    sums = np.concatenate(([0.0], np.cumsum(closes)))
    above = (sums[20:] - sums[10:-10]) / 10 > (sums[20:] - sums[:-20]) / 20
    crossovers = np.flatnonzero(above[1:] != above[:-1]) + 20
    ends = np.cumsum([len(minutes_of(session)) // 5 for session in hours])
    sessions = np.searchsorted(ends, crossovers, side="right")
    assert min(np.bincount(sessions, minlength=len(hours))[1:]) >= 2


@by_symbol
def test_another_seed_gives_other_prices_and_the_same_defects(instrument: Instrument) -> None:
    ours, other = sample_bars(instrument, DEFAULT_SEED), sample_bars(instrument, DEFAULT_SEED + 1)
    assert np.array_equal(ours["open_ts"], other["open_ts"])
    assert not np.array_equal(ours["close"], other["close"])


def test_the_symbols_do_not_move_together() -> None:
    moves = [
        np.diff(np.log(clean_bars(instrument, sample_hours(), 7)["close"])) for instrument in INSTRUMENTS
    ]
    assert abs(np.corrcoef(moves)[0, 1]) < 0.1


def test_the_metadata_says_that_it_is_synthetic_and_from_which_seed() -> None:
    metadata = sample_metadata(8)
    assert metadata["synthetic"] == "true"
    assert "seed 8" in metadata["source"]
