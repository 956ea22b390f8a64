"""Derived bars of real weeks, cut at random, against a plain batch aggregation by pandas."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.domain.aggregation import PENDING_ROWS, Aggregation
from actors.domain.calendar_table import CalendarTable
from actors.domain.grid import event_times
from actors.domain.intervals import Interval
from actors.domain.session_plan import Flow, Rules, Session, SessionPlan, Stream, Trading
from actors.domain.session_shape import shape
from protocol.blocks import BAR_DTYPE, BarFlag, Bars
from tests.domain.conftest import EXTENDED, Week, days, extended_minutes, with_bins

SYMBOLS = ("AAA", "BBB")
INTERVALS = ("1m", "1h", "1d")
MINUTE = Interval(1, "m")
SHOWN = ("stream", "open_ts", "close_ts", "open", "high", "low", "close", "volume", "n_base", "n_expected")
STREAMS = tuple(
    Stream(2 * place + number, symbol, interval, "STREAMED" if place == 0 else "GENERATED", "", base)
    for place, interval in enumerate(INTERVALS)
    for number, symbol in enumerate(SYMBOLS)
    for base in [None if place == 0 else number]
)
PLAN = SessionPlan(
    *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-02", "/catalog", SYMBOLS),
    *((), (), (), STREAMS, (), (), (), (), Flow(), Rules(), Trading(1.0, 1.0, 1.0, 1)),
)
seeds = st.integers(0, 2**32 - 1)
presences = st.sampled_from([0.02, 0.5, 0.97, 1.0])
limits = st.sampled_from([0, 50, PENDING_ROWS])
few = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
Row = tuple[Any, ...]


def priced(minutes: pd.DataFrame, presence: float, rng: np.random.Generator) -> pd.DataFrame:
    """Give each symbol's minutes prices and whole volumes, and leave some of them out."""
    found = []
    for stream in range(len(SYMBOLS)):
        bars = minutes.assign(stream=stream, is_there=rng.random(len(minutes)) < presence)
        prices = np.sort(rng.uniform(10, 20, (len(bars), 4)).round(2), axis=1)
        bars[["low", "first", "last", "high"]] = prices
        found.append(bars.assign(volume=rng.integers(0, 10**6, len(bars)).astype(float)))
    return pd.concat(found, ignore_index=True)


def batch(bars: pd.DataFrame, *, clock: bool) -> list[Row]:
    """Aggregate whole sessions: bins within their parts, days from the minutes of regular hours."""
    hourly = derived(with_bins(bars, "1h", clock=clock), "1h")
    daily = derived(bars[bars["kind"] == "regular"].assign(bin=0, part=0), "1d")
    return sorted(hourly + daily, key=lambda row: (row[2], row[0]))


def derived(bars: pd.DataFrame, interval: str) -> list[Row]:
    keys = ["stream", "session", "part", "bin"]
    every = bars.groupby(keys).agg(begin=("open", "first"), end=("open", "last"), n_expected=("open", "size"))
    there = bars[bars["is_there"]].groupby(keys)
    found = there.agg(
        open=("first", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("last", "last"),
        volume=("volume", "sum"),
        n_base=("volume", "size"),
    ).join(every)
    return [
        (stream, row.begin.value, row.end.value + MINUTE.length_ns, *row[1:7], row.n_expected)
        for row in found.itertuples()
        for stream in [PLAN.stream_id(SYMBOLS[row.Index[0]], interval)]
    ]


def packed(bars: pd.DataFrame) -> Bars:
    """Make base bars, by (close_ts, stream)."""
    there = bars[bars["is_there"]]
    rows = np.zeros(len(there), BAR_DTYPE)
    rows["stream"], rows["n_base"], rows["n_expected"] = there["stream"], 1, 1
    rows["open_ts"] = there["open"].dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
    rows["close_ts"] = rows["open_ts"] + MINUTE.length_ns
    for field, column in {"open": "first", "high": "high", "low": "low", "close": "last"}.items():
        rows[field] = there[column]
    rows["volume"] = there["volume"]
    return rows[np.lexsort((rows["stream"], rows["close_ts"]))]


def windows(session: Session, bars: Bars, rng: np.random.Generator) -> Iterator[tuple[Bars, int]]:
    steps = event_times(session, (MINUTE,))
    count = int(rng.integers(0, min(len(steps), 200)))
    cuts = np.unique([*rng.choice(steps, count, replace=False), steps[-1]])
    edges = np.searchsorted(bars["close_ts"], [session.previous_close_ns, *cuts], side="right")
    for first, end, cut in zip(edges[:-1], edges[1:], cuts, strict=True):
        yield bars[first:end], int(cut)


def streamed(
    sessions: tuple[Session, ...], bars: Bars, limit: int, rng: np.random.Generator
) -> Iterator[Row]:
    """Fold session by session, window by window; no bar may come early or late."""
    aggregation = Aggregation(PLAN, limit)
    for session in sessions:
        aggregation.start_session(session)
        before = session.open_ns
        for window, now in windows(session, bars, rng):
            folded = aggregation.fold(window, now).bars
            assert ((before < folded["close_ts"]) & (folded["close_ts"] <= now)).all()
            before = now
            for row in folded:
                yield shown(row)


def shown(row: np.void) -> Row:
    return tuple(row[name].item() for name in SHOWN)


def assert_streaming_is_batch(
    sessions: tuple[Session, ...], bars: pd.DataFrame, limit: int, rng: np.random.Generator, *, clock: bool
) -> None:
    found = list(streamed(sessions, packed(bars), limit, rng))
    assert found == batch(bars, clock=clock)
    assert len(found) > 0 or not bars["is_there"].any()


@few
@given(seed=seeds, presence=presences, limit=limits, clock=st.booleans())
def test_streaming_a_week_of_any_exchange_gives_the_bars_of_the_batch(
    week: Week, seed: int, presence: float, limit: int, *, clock: bool
) -> None:
    rng = np.random.default_rng(seed)
    sessions = shape(week.sessions, week.timezone, extended=False, clock=clock)
    assert_streaming_is_batch(sessions, priced(week.minutes, presence, rng), limit, rng, clock=clock)


@few
@given(seed=seeds, presence=presences, limit=limits, clock=st.booleans())
def test_streaming_extended_hours_never_mixes_the_parts(
    tables: Mapping[str, CalendarTable], seed: int, presence: float, limit: int, *, clock: bool
) -> None:
    rng, table = np.random.default_rng(seed), tables["XNYS"]
    sessions = shape(days(table, EXTENDED), table.timezone, extended=True, clock=clock)
    bars = priced(extended_minutes(EXTENDED, table.timezone), presence, rng)
    assert_streaming_is_batch(sessions, bars, limit, rng, clock=clock)


def test_a_day_with_bars_in_extended_hours_alone_has_no_daily_bar(
    tables: Mapping[str, CalendarTable],
) -> None:
    table = tables["XNYS"]
    (session,) = shape(days(table, ["2025-07-03"]), table.timezone, extended=True, clock=False)
    minutes = extended_minutes({"2025-07-03": EXTENDED["2025-07-03"]}, table.timezone)
    rng = np.random.default_rng(1)
    bars = priced(minutes[minutes["kind"] != "regular"], 1.0, rng)
    found = list(streamed((session,), packed(bars), PENDING_ROWS, rng))
    assert {STREAMS[row[0]].interval for row in found} == {"1h"}


def test_bins_that_the_open_or_the_close_cuts_short_are_marked(tables: Mapping[str, CalendarTable]) -> None:
    table = tables["XNYS"]
    (session,) = shape(days(table, ["2025-07-02"]), table.timezone, extended=False, clock=True)
    minutes = extended_minutes({"2025-07-02": EXTENDED["2025-07-02"]}, table.timezone)
    bars = packed(priced(minutes[minutes["kind"] == "regular"], 1.0, np.random.default_rng(1)))
    aggregation = Aggregation(PLAN)
    aggregation.start_session(session)
    hourly = aggregation.fold(bars, session.close_ns).bars
    hourly = hourly[hourly["stream"] == PLAN.stream_id("AAA", "1h")]
    assert hourly["n_expected"].tolist() == [30, 60, 60, 60, 60, 60, 60]
    assert (hourly["flags"] & BarFlag.CLIPPED).astype(bool).tolist() == [True] + [False] * 6
