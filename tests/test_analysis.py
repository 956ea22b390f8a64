from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actors.analysis import FAILURE_LENGTH, Analysis, StrategyError
from actors.domain.bar_views import Bar, Step
from actors.domain.quality_ledger import StreamQuality
from actors.domain.roles import Log, RoleError, Send
from actors.domain.session_plan import (
    Hours,
    IndicatorSpec,
    Session,
    StrategySpec,
    Stream,
)
from actors.domain.strategy import Context, Needs, SignalError, Strategy, StrategyParams
from protocol import topics
from protocol.blocks import BAR_DTYPE, QUALITY_DTYPE, Bars, as_times, bar_block, quality_block, time_block
from protocol.messages import Ack, Leave, PhaseEvent, RunEnd, SealedWindow, Signal
from tests.plans import make_plan

MINUTE = 60 * 10**9
DAY = 1440 * MINUTE
STEPS = 10
OPEN_2025_07_02 = 1751463000 * 10**9
END = RunEnd(0, "", "")


def session(index: int) -> Session:
    start = OPEN_2025_07_02 + index * DAY
    hours = Hours(start, start + STEPS * MINUTE)
    return Session(index, f"day {index}", "full", hours.open_ns, hours.close_ns, (hours,), start - DAY)


STREAMS = tuple(
    Stream(number, symbol, interval, label, "", base, history_sessions=1)
    for number, (symbol, interval, label, base) in enumerate(
        [
            ("AAPL", "1m", "STREAMED", None),
            ("RIVN", "1m", "STREAMED", None),
            ("AAPL", "5m", "GENERATED", 0),
            ("RIVN", "5m", "GENERATED", 1),
        ]
    )
)
PLAN = make_plan([session(index) for index in (-1, 0, 1)], STREAMS)


def stream_bars(stream: Stream, session: Session, rng: np.random.Generator) -> Bars:
    minutes = int(stream.interval[0])
    bars = np.zeros(STEPS // minutes, BAR_DTYPE)
    bars["stream"] = stream.id
    bars["open_ts"] = session.open_ns + minutes * MINUTE * np.arange(len(bars))
    bars["close_ts"] = bars["open_ts"] + minutes * MINUTE
    for field in ("open", "high", "low", "close", "volume"):
        bars[field] = rng.uniform(1, 100, len(bars))
    return bars[rng.random(len(bars)) < 0.8]


def session_bars(session: Session, seed: int) -> Bars:
    rng = np.random.default_rng([seed, session.index + 1])
    bars = np.concatenate([stream_bars(stream, session, rng) for stream in STREAMS])
    return bars[np.lexsort((bars["stream"], bars["close_ts"]))]


def run_windows(seed: int = 0, cuts: Sequence[int] | set[int] = ()) -> list[SealedWindow]:
    windows: list[SealedWindow] = []
    for session in (*PLAN.history, *PLAN.sessions):
        bars = session_bars(session, seed)
        for start, stop in pairwise(sorted({0, STEPS, *cuts})):
            steps = session.open_ns + MINUTE * np.arange(start + 1, stop + 1)
            inside = bars[(bars["close_ts"] >= steps[0]) & (bars["close_ts"] <= steps[-1])]
            records = np.zeros(len(steps), QUALITY_DTYPE)
            records["event_ts"] = steps
            records["missing"] = np.arange(start + 1, stop + 1)
            window = SealedWindow(
                seq=len(windows),
                session=session.index,
                first=start == 0,
                last=stop == STEPS,
                steps=time_block(steps),
                block=bar_block(inside),
                quality=quality_block(records[records["missing"] % 4 == 3]),
                gaps=(),
                defects=(),
            )
            windows.append(window)
    return windows


def engine(
    strategy: Strategy[Any],
    on_error: Literal["stop", "skip"] = "stop",
    indicators: tuple[IndicatorSpec, ...] = (),
    beside: tuple[str, ...] = (),
) -> Analysis:
    spec = StrategySpec("mine", "sma", "x:Y", {}, on_error, indicators)
    strategies = (spec, *(StrategySpec(name, name, "x:Y", {}) for name in beside))
    return Analysis("sma", structs.replace(PLAN, strategies=strategies), strategy, spec)


def play(role: Analysis, windows: Sequence[SealedWindow]) -> list[Any]:
    effects = [effect for window in windows for effect in role.on_message(window)]
    return [*effects, *role.on_message(END)]


def signals(effects: list[Any]) -> list[Signal]:
    return [signal for effect in effects if isinstance(effect, Send) for signal in effect.message.signals]


class Diary(Strategy[StrategyParams]):
    """Write down every call and what could be seen in it."""

    def __init__(self) -> None:
        super().__init__(StrategyParams())
        self.calls: list[tuple[Any, ...]] = []

    def write(self, handler: str, ctx: Context, *event: object) -> None:
        seen = tuple(len(ctx.bars(stream.symbol, stream.interval)) for stream in STREAMS)
        past = tuple(len(ctx.history(stream.symbol, stream.interval)) for stream in STREAMS)
        self.calls.append((handler, ctx.session.index, ctx.now, seen, past, *event))

    def on_start(self, ctx: Context) -> None:
        self.write("on_start", ctx)

    def on_session_start(self, ctx: Context) -> None:
        self.write("on_session_start", ctx)

    def on_quality(self, ctx: Context, quality: StreamQuality) -> None:
        self.write("on_quality", ctx, quality.stream, quality.missing)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        self.write("on_bar", ctx, bar)

    def on_step(self, ctx: Context, step: Step) -> None:
        assert step.now == ctx.now
        self.write("on_step", ctx, tuple(step.stream.tolist()), tuple(step.close.tolist()))

    def on_session_end(self, ctx: Context) -> None:
        self.write("on_session_end", ctx)

    def on_stop(self, ctx: Context) -> None:
        self.write("on_stop", ctx)


class Talker(Strategy[StrategyParams]):
    """Signal at every bar, with all that can be seen as the reason."""

    def __init__(self) -> None:
        super().__init__(StrategyParams())

    def needs(self) -> Needs:
        return Needs(indicators=(IndicatorSpec("sma", "1m", {"period": 3}),))

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        seen = [
            ctx.bars(bar.symbol, "1m").close.tolist(),
            ctx.history(bar.symbol, "5m").close.tolist(),
            ctx.volume(bar.symbol),
            ctx.indicator("sma_3_1m", bar.symbol),
            ctx.quality(bar.symbol).score,
        ]
        ctx.signal(bar.symbol, "BUY", 1.0, reason=repr((bar, seen)))

    def on_session_end(self, ctx: Context) -> None:
        ctx.signal("RIVN", "CLOSE", reason="the day is over")


cut_points = st.sets(st.integers(1, STEPS - 1))
EVERY_STEP = range(1, STEPS)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), cuts=cut_points)
def test_any_cut_into_windows_gives_the_same_calls_and_the_same_signals(seed: int, cuts: set[int]) -> None:
    whole, cut = Diary(), Diary()
    play(engine(whole), run_windows(seed))
    play(engine(cut), run_windows(seed, cuts))
    assert cut.calls == whole.calls
    said = signals(play(engine(Talker()), run_windows(seed)))
    assert len(said) > 2
    assert signals(play(engine(Talker()), run_windows(seed, cuts))) == said


def test_calls_come_in_the_declared_order_and_see_all_of_their_step() -> None:
    diary = Diary()
    play(engine(diary), run_windows(7, {4}))
    expected: list[tuple[Any, ...]] = []
    for session in PLAN.sessions:
        bars = session_bars(session, 7)
        before = session_bars(PLAN.session(session.index - 1), 7)
        past = tuple(np.bincount(before["stream"], minlength=4).tolist())

        def note(handler: str, now: int, *event: object) -> None:
            known = bars["stream"][bars["close_ts"] <= now]  # noqa: B023  called in this turn of the loop only
            seen = tuple(np.bincount(known, minlength=4).tolist())
            expected.append((handler, session.index, now, seen, past, *event))  # noqa: B023  likewise

        if session.index == 0:
            note("on_start", session.open_ns)
        note("on_session_start", session.open_ns)
        for number in range(1, STEPS + 1):
            now = session.open_ns + number * MINUTE
            rows = bars[bars["close_ts"] == now]
            if number % 4 == 3:
                note("on_quality", now, 0, number)
            for row in rows:
                stream = STREAMS[row["stream"]]
                values = [row[field].item() for field in BAR_DTYPE.names[4:]]
                rest = [row[field].item() for field in ("n_base", "n_expected", "flags")]
                note("on_bar", now, Bar(stream.symbol, stream.interval, *values, *rest))
            note("on_step", now, tuple(rows["stream"].tolist()), tuple(rows["close"].tolist()))
        note("on_session_end", session.close_ns)
    note("on_stop", PLAN.sessions[-1].close_ns)
    assert diary.calls == expected


def test_each_window_is_acknowledged_and_the_end_answered_with_counts_that_include_history() -> None:
    windows = run_windows(0, EVERY_STEP)
    effects = play(engine(Diary()), windows)
    assert [effect.topic for effect in effects] == [topics.report("sma")] * (len(windows) + 1)
    acks = [Ack("sma", seq, ()) for seq in range(len(windows))]
    bars = sum(window.block.n for window in windows)
    assert [effect.message for effect in effects[:-1]] == acks
    leave = effects[-1].message
    assert isinstance(leave, Leave)
    assert (leave.windows, leave.bars, leave.signals) == (len(windows), bars, ())
    assert leave.verdict is not None
    assert (leave.verdict.orders, leave.verdict.equity) == (0, PLAN.trading.max_buying_power)


def test_a_signal_carries_its_step_and_goes_with_its_window() -> None:
    windows = run_windows(0, EVERY_STEP)
    role = engine(Talker())
    for window in windows:
        *lines, answer = role.on_message(window)
        logged = [instant for line in lines for instant in line.sim_ts]
        assert logged == [signal.event_ts for signal in answer.message.signals]
        times = set(np.frombuffer(window.steps.records, "<i8").tolist())
        assert {signal.event_ts for signal in answer.message.signals} <= times
    assert signals([answer])[-1] == Signal(
        PLAN.sessions[-1].close_ns, "RIVN", "CLOSE", 0.0, 1.0, "the day is over"
    )


@pytest.mark.parametrize("skipped", [0, 1])
def test_a_window_that_is_missing_or_comes_twice_ends_the_run(skipped: int) -> None:
    windows = run_windows()
    role = engine(Diary())
    role.on_message(windows[0])
    with pytest.raises(RoleError, match=f"sealed window {2 * skipped} came where 1 was due"):
        role.on_message(windows[2 * skipped])


def test_a_run_that_ends_before_its_first_session_calls_no_handler() -> None:
    diary = Diary()
    play(engine(diary), run_windows()[:1])
    assert diary.calls == []


def test_other_messages_on_its_topics_are_left_alone() -> None:
    role = engine(Diary())
    assert role.subscriptions == (topics.SEALED, topics.CONTROL)
    assert list(role.on_message(PhaseEvent(0, 1, "started", 0))) == []


class Picky(Diary):
    def needs(self) -> Needs:
        return Needs(intervals=("5m",))


def test_a_strategy_that_wants_one_interval_gets_its_bars_alone_and_every_step() -> None:
    everything, picky = Diary(), Picky()
    play(engine(everything), run_windows())
    play(engine(picky), run_windows())
    bars = [call for call in everything.calls if call[0] == "on_bar" and call[-1].interval == "5m"]
    assert [call for call in picky.calls if call[0] == "on_bar"] == bars
    steps = [call for call in picky.calls if call[0] == "on_step"]
    assert len(steps) == 2 * STEPS
    assert {stream for call in steps for stream in call[-2]} == {2, 3}


class StepReader(Strategy[StrategyParams]):
    def __init__(self) -> None:
        super().__init__(StrategyParams())
        self.steps: list[Step] = []

    def on_step(self, ctx: Context, step: Step) -> None:
        self.steps.append(step)
        for interval in ("1m", "5m", "1h"):
            part = step.of(interval)
            streams = [STREAMS[number] for number in part.stream.tolist()]
            assert all(stream.interval == interval for stream in streams)
            assert [ctx.symbols[place] for place in part.symbol_index.tolist()] == [
                stream.symbol for stream in streams
            ]
        assert len(step) == len(step.of("1m")) + len(step.of("5m"))


def test_a_step_holds_its_own_bars_alone_down_to_the_memory_and_is_read_only() -> None:
    strategy = StepReader()
    play(engine(strategy), run_windows())
    for step in strategy.steps:
        for array in (step.ints, step.floats):
            assert array.base is None
            assert array.shape[1] == len(step)
            assert not array.flags.writeable
        assert set(step.close_ts.tolist()) <= {step.now}


class Clumsy(Strategy[StrategyParams]):
    """Raise in one handler, at every bar of RIVN where that is `on_bar`."""

    def __init__(self, handler: str) -> None:
        super().__init__(StrategyParams())
        self.handler = handler

    def stumble(self, ctx: Context, handler: str) -> None:
        if handler == self.handler:
            raise ZeroDivisionError(f"stumbled at {ctx.now}")

    def on_start(self, ctx: Context) -> None:
        self.stumble(ctx, "on_start")

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        ctx.signal(bar.symbol, "SELL", 2)
        if bar.symbol == "RIVN":
            self.stumble(ctx, "on_bar")

    def on_stop(self, ctx: Context) -> None:
        self.stumble(ctx, "on_stop")


@pytest.mark.parametrize(
    ("handler", "when"),
    [
        ("on_start", "2025-07-02 09:30:00 EDT (2025-07-02T13:30:00Z)"),
        ("on_stop", "2025-07-03 09:40:00 EDT (2025-07-03T13:40:00Z)"),
    ],
)
def test_a_handler_that_raises_stops_the_run_and_names_itself_and_its_step(handler: str, when: str) -> None:
    with pytest.raises(StrategyError) as caught:
        play(engine(Clumsy(handler)), run_windows())
    message = str(caught.value)
    assert message.startswith(f"strategy mine raised in {handler} at {when}: ZeroDivisionError: stumbled at ")
    assert f"{__file__}, line " in message
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_bar_whose_handler_raises_is_named() -> None:
    with pytest.raises(StrategyError, match="raised in on_bar at 2025-07-02 09:31:00 EDT") as caught:
        play(engine(Clumsy("on_bar")), run_windows(1))
    assert caught.value.bar is not None
    assert caught.value.bar.symbol == "RIVN"
    assert ", bar RIVN 1m (" in str(caught.value)


def test_with_skip_every_error_is_logged_once_and_the_run_goes_on_with_what_was_signalled() -> None:
    windows = run_windows(3, {2, 6})
    calm = play(engine(Clumsy("none")), windows)
    effects = play(engine(Clumsy("on_bar"), "skip"), windows)
    logs = [effect for effect in effects if isinstance(effect, Log)]
    assert signals(effects) == signals(calm)
    assert [log.sim_ts for log in logs] == [s.event_ts for s in signals(calm) if s.symbol == "RIVN"]
    assert {log.level for log in logs} == {"ERROR"}
    assert [effect for effect in effects if not isinstance(effect, Log)] == calm


@pytest.mark.parametrize(
    ("handler", "when"),
    [
        ("on_start", "2025-07-02 09:30:00 EDT"),
        ("on_bar", "2025-07-02 09:31:00 EDT"),
        ("on_stop", "2025-07-03 09:40:00 EDT"),
    ],
)
def test_beside_others_a_strategy_that_raises_is_stopped_and_its_engine_goes_on(
    handler: str, when: str
) -> None:
    windows = run_windows(3, {2, 6})
    effects = play(engine(Clumsy(handler), beside=("other",)), windows)
    sent = [effect.message for effect in effects if isinstance(effect, Send)]
    assert [message.seq for message in sent if isinstance(message, Ack)] == list(range(len(windows)))
    leave = sent[-1]
    assert isinstance(leave, Leave)
    assert leave.verdict is not None
    assert leave.verdict.failure.startswith(f"strategy mine raised in {handler} at {when}")
    error, warning = (effect for effect in effects if isinstance(effect, Log))
    assert (error.level, error.text, error.sim_ts) == (
        "ERROR",
        leave.verdict.failure,
        leave.verdict.failed_ts,
    )
    assert warning.level == "WARNING"
    calm = signals(play(engine(Clumsy("none")), windows))
    heard = {"on_start": 0, "on_bar": [s.symbol for s in calm].index("RIVN") + 1, "on_stop": len(calm)}
    assert signals(effects) == calm[: heard[handler]]


def test_an_engine_that_was_stopped_says_as_much_of_an_error_as_a_message_can_hold() -> None:
    class Verbose(Strategy[StrategyParams]):
        def on_start(self, ctx: Context) -> None:
            raise ValueError("x" * 100_000 + f"{ctx.now}")

    effects = play(engine(Verbose(StrategyParams()), beside=("other",)), run_windows())
    assert len(effects[-1].message.verdict.failure) == FAILURE_LENGTH


class Needy(Strategy[StrategyParams]):
    def __init__(self, needs: Needs) -> None:
        super().__init__(StrategyParams())
        self._needs = needs

    def needs(self) -> Needs:
        return self._needs


@pytest.mark.parametrize(
    ("needs", "complaint"),
    [
        (Needs(intervals=("7m",)), "strategy mine needs 7m bars; this run serves 1m, 5m"),
        (Needs(indicators=(IndicatorSpec("sma", "7m", {"period": 2}),)), "strategy mine: .* 7m bars of AAPL"),
        (
            Needs(indicators=(IndicatorSpec("ama", "1m", {}),)),
            "strategy mine: indicator ama_1m: unknown name",
        ),
    ],
)
def test_needs_that_the_run_does_not_serve_are_refused_before_it_starts(needs: Needs, complaint: str) -> None:
    with pytest.raises(RoleError, match=complaint):
        engine(Needy(needs))


def test_indicators_of_the_plan_can_be_asked_for_too() -> None:
    class Asker(Strategy[StrategyParams]):
        def on_session_end(self, ctx: Context) -> None:
            mean = ctx.bars("AAPL", "1m").last(2).close.mean()
            assert ctx.indicator("sma_2_1m", "AAPL") == pytest.approx(mean)

    spec = IndicatorSpec("sma", "1m", {"period": 2})
    play(engine(Asker(StrategyParams()), indicators=(spec,)), run_windows())


@pytest.mark.parametrize(
    ("signal", "complaint"),
    [
        (("MSFT", "BUY", 1), "'MSFT' is not in this run: it has AAPL, RIVN"),
        (("AAPL", "HOLD", 1), "action 'HOLD' is none of BUY, SELL, CLOSE"),
        (("AAPL", "BUY", 0), "quantity 0 of a BUY signal must be finite and above 0"),
        (("AAPL", "SELL", -1), "quantity -1 of a SELL signal must be finite and above 0"),
        (("AAPL", "CLOSE", -1), "quantity -1 of a CLOSE signal must be finite and 0 or more"),
        (("AAPL", "BUY", float("inf")), "must be finite"),
        (("AAPL", "BUY", float("nan")), "must be finite"),
        (("AAPL", "BUY", 1, 1.1), "confidence 1.1 must be from 0 to 1"),
        (("AAPL", "BUY", 1, float("nan")), "confidence nan must be"),
        (("AAPL", "BUY", 1, 1.0, "x" * 65_537), "65537 characters, more than 65536"),
    ],
)
def test_a_signal_that_cannot_be_is_refused(signal: tuple[Any, ...], complaint: str) -> None:
    class Wrong(Strategy[StrategyParams]):
        def on_start(self, ctx: Context) -> None:
            ctx.signal(*signal)

    with pytest.raises(StrategyError, match=complaint) as caught:
        play(engine(Wrong(StrategyParams())), run_windows())
    assert isinstance(caught.value.__cause__, SignalError | LookupError)


@settings(max_examples=30, deadline=None)
@given(begin=st.integers(0, 2 * STEPS), cuts=cut_points)
def test_what_comes_before_the_beginning_is_history_and_what_comes_after_is_called_as_ever(
    begin: int, cuts: set[int]
) -> None:
    whole, late = Diary(), Diary()
    windows = run_windows(cuts=cuts)
    play(engine(whole), windows)
    role = engine(late)
    role.begin_at(begin)
    effects = play(role, windows)
    played = [window for window in windows if window.seq >= begin and window.session >= 0]
    assert len([effect for effect in effects if isinstance(effect, Send)]) == len(windows) + 1
    if not played:
        assert late.calls == []
        return
    first = played[0]
    before = windows[first.seq - 1]
    joined = [call for call in late.calls if call[0] in ("on_start", "on_session_start")][:2]
    assert [call[0] for call in joined] == ["on_start", "on_session_start"]
    if not first.first:
        assert {call[2] for call in joined} == {int(as_times(before.steps)[-1])}
    since = int(as_times(first.steps)[0])
    assert [call for call in late.calls if call not in joined] == [
        call for call in whole.calls if call[2] >= since and call not in joined
    ]
