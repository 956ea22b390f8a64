"""The decision table of streams: cases by hand, and a brute-force reading of the rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.intervals import STORED_INTERVALS, Interval
from actors.domain.session_plan import Stream
from actors.domain.stream_decision import Request, decide_streams

WANTED = (
    "1s",
    "7s",
    "30s",
    "60s",
    "1m",
    "2m",
    "5m",
    "300s",
    "7m",
    "15m",
    "1h",
    "4h",
    "24h",
    "1d",
    "2d",
    "1w",
)
SYMBOLS = ("AAPL", "RIVN", "MSFT")

wanted_lists = st.lists(st.sampled_from(WANTED), min_size=1, max_size=6, unique=True)
stored_lists = st.lists(st.sampled_from(STORED_INTERVALS), min_size=1, unique=True)


def requests(symbol: str, intervals: str | list[str], history: int = 0) -> list[Request]:
    texts = intervals.split() if isinstance(intervals, str) else intervals
    return [Request(symbol, Interval.parse(text), "the streams", history) for text in texts]


def decided(intervals: str | list[str], stored: str | list[str]) -> dict[str, Stream]:
    texts = stored.split() if isinstance(stored, str) else stored
    streams = decide_streams(
        ("AAPL",), requests("AAPL", intervals), {"AAPL": tuple(map(Interval.parse, texts))}
    )
    return {stream.interval: stream for stream in streams}


@pytest.mark.parametrize(
    ("wanted", "stored", "streamed", "generated", "ignored"),
    [
        ("1m 5m", "1m", "1m", "5m", ""),
        ("1m 5m", "1s 1m", "1m", "5m", ""),
        ("1m 5m", "1m 5m", "1m", "5m", ""),
        ("5m 15m 1h", "1s 1m 5m", "5m", "15m 1h", ""),
        ("15m 1h", "1m", "1m", "15m 1h", ""),
        ("1h", "1s 1m 1h", "1h", "", ""),
        ("1d", "1m 1d", "1d", "", ""),
        ("1m 1d", "1m 1d", "1m", "1d", ""),
        ("1s 1m 5m", "1s 1m", "1s 1m", "5m", ""),
        ("30s 1m", "1s 1m", "1s 1m", "30s", ""),
        ("1s 5m", "1s 1m", "1s", "5m", ""),
        ("1s 1m", "1m", "1m", "", "1s"),
        ("5m 7m", "5m", "5m", "", "7m"),
        ("5m 7m", "1m 5m", "1m", "5m 7m", ""),
        ("1m 2d 1w", "1m", "1m", "2d 1w", ""),
        ("1m 2d 5d 1w", "1m 1d", "1m", "2d 5d 1w", ""),
        ("1h 1w", "1s 1h 1d", "1h", "1w", ""),
        ("1s 1m 1w", "1s 1m", "1s 1m", "1w", ""),
        ("2d 1w", "1s 1m 1d", "1d", "2d 1w", ""),
        ("7m 1w", "5m 1d", "1d", "1w", "7m"),
        ("1m", "1d", "", "", "1m"),
        ("1w", "1d", "1d", "1w", ""),
    ],
)
def test_the_decision_table(wanted: str, stored: str, streamed: str, generated: str, ignored: str) -> None:
    streams = decided(wanted, stored)

    labels = dict.fromkeys(("STREAMED", "GENERATED", "IGNORED"), "")
    for stream in streams.values():
        labels[stream.label] = f"{labels[stream.label]} {stream.interval}".strip()
    assert labels == {"STREAMED": streamed, "GENERATED": generated, "IGNORED": ignored}


def length(text: str) -> int:
    return Interval.parse(text).length_ns


def can_serve(base: str, wanted: str) -> bool:
    if wanted in {base, "1d"}:
        return True
    if wanted[-1] in "dw":
        return True
    return base != "1d" and length(wanted) % length(base) == 0


@given(wanted_lists, stored_lists)
@settings(max_examples=300)
def test_what_storage_can_serve_is_served_and_nothing_else(wanted: list[str], stored: list[str]) -> None:
    streams = decided(wanted, stored)

    for text in wanted:
        possible = any(can_serve(base, text) for base in stored)
        assert (streams[text].label != "IGNORED") == possible


@given(wanted_lists, stored_lists)
@settings(max_examples=300)
def test_the_base_is_the_largest_that_serves_all(wanted: list[str], stored: list[str]) -> None:
    streams = decided(wanted, stored)
    servable = [text for text in wanted if streams[text].label != "IGNORED"]
    streamed = [text for text, stream in streams.items() if stream.label == "STREAMED"]

    if not servable:
        assert streamed == []
        return
    serves_all = [base for base in stored if all(can_serve(base, text) for text in servable)]
    base = max(serves_all, key=length)
    beside = ["1m"] if base == "1s" and "1m" in wanted and "1m" in stored else []
    assert streamed == [base, *beside]


@given(wanted_lists, stored_lists)
@settings(max_examples=300)
def test_what_is_computed_is_computed_from_the_longest_streamed_interval(
    wanted: list[str], stored: list[str]
) -> None:
    streams = decided(wanted, stored)
    by_id = {stream.id: stream for stream in streams.values()}
    streamed = [text for text, stream in streams.items() if stream.label == "STREAMED"]

    for stream in streams.values():
        assert (stream.base is not None) == (stream.label == "GENERATED")
        if stream.base is not None:
            sources = [text for text in streamed if can_serve(text, stream.interval)]
            assert by_id[stream.base].interval == max(sources, key=length)


@given(st.lists(wanted_lists, min_size=3, max_size=3), st.lists(stored_lists, min_size=3, max_size=3))
@settings(max_examples=200)
def test_ids_count_up_by_length_then_symbol_with_the_ignored_last(
    wanted: list[list[str]], stored: list[list[str]]
) -> None:
    streams = decide_streams(
        SYMBOLS,
        [
            request
            for symbol, texts in zip(SYMBOLS, wanted, strict=True)
            for request in requests(symbol, texts)
        ],
        {symbol: tuple(map(Interval.parse, texts)) for symbol, texts in zip(SYMBOLS, stored, strict=True)},
    )

    assert [stream.id for stream in streams] == list(range(len(streams)))
    places = [
        (stream.label == "IGNORED", stream.length_ns, SYMBOLS.index(stream.symbol)) for stream in streams
    ]
    assert places == sorted(places)
    assert all(stream.base is None or stream.base < stream.id for stream in streams)
    assert len({(stream.symbol, stream.interval) for stream in streams}) == len(streams)


@given(st.lists(st.tuples(st.sampled_from(WANTED), st.integers(0, 20)), min_size=1, max_size=8), stored_lists)
@settings(max_examples=200)
def test_a_base_keeps_the_history_that_everything_computed_from_it_needs(
    needs: list[tuple[str, int]], stored: list[str]
) -> None:
    asked = [Request("AAPL", Interval.parse(text), "the history", count) for text, count in needs]

    streams = decide_streams(("AAPL",), asked, {"AAPL": tuple(map(Interval.parse, stored))})

    for stream in streams:
        own = [count for text, count in needs if text == stream.interval]
        derived = [other.history_sessions for other in streams if other.base == stream.id]
        assert stream.history_sessions == max([0, *own, *derived])


def test_a_base_that_nobody_asks_for_says_what_it_is_streamed_for() -> None:
    streams = decided("5m 15m", "1m")

    assert streams["1m"].reason == "stored; nobody asks for it, but it is the base of 5m, 15m"


def test_a_reason_names_everyone_who_asks_once() -> None:
    asked = [
        *requests("AAPL", "5m"),
        Request("AAPL", Interval.parse("5m"), "strategy sma"),
        Request("AAPL", Interval.parse("5m"), "strategy sma"),
    ]

    streams = decide_streams(("AAPL",), asked, {"AAPL": (Interval.parse("1m"),)})

    assert streams[1].reason == "computed from 1m; asked for by the streams, strategy sma"


@pytest.mark.parametrize(
    ("wanted", "stored", "reason"),
    [
        ("1s", "1m", "finer than 1m, the finest that is stored"),
        ("7m", "5m", "no whole multiple of 5m, the finest that is stored"),
        ("7m", "1h 5m", "no whole multiple of 5m, the finest that is stored"),
    ],
)
def test_an_ignored_interval_has_its_reason(wanted: str, stored: str, reason: str) -> None:
    assert decided(f"{wanted} {stored}", stored)[wanted].reason == f"{reason}; asked for by the streams"
