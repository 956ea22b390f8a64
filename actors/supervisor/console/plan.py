"""The screen before a run: what will be done, with what, and what storage lacks."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.text import Text

from actors.domain.grid import event_times
from actors.domain.intervals import NS_PER_S, Interval
from actors.domain.session_plan import (
    Adjustment,
    Hours,
    Label,
    Session,
    SessionPlan,
    Stored,
    StrategySpec,
    Stream,
    Unit,
    Warmup,
)
from actors.supervisor.console.layout import facts, section, table
from actors.supervisor.console.text import DASH, clean, compact, listing, plural, share, weekday
from actors.supervisor.wording import counted

SESSIONS_SHOWN: Final = 9
"""Of more sessions than this the first few and the last few are shown."""
STREAMS_SHOWN: Final = 10
"""Of more stored streams than this the ones with the lowest share on grid are shown."""
ACTIONS_SHOWN: Final = 10
WARNINGS_SHOWN: Final = 20
EXACT_BELOW: Final = 100_000
"""Counts from here on are shortened, so that run and history fit 80 columns side by side."""
LABEL_STYLES: Final = {"STREAMED": "green", "GENERATED": "cyan", "IGNORED": "yellow"}


class Holding(NamedTuple):
    """What storage holds of one stream over some sessions."""

    expected: int
    rows: int
    on_grid: int


def print_plan(console: Console, plan: SessionPlan) -> None:
    """Print the plan."""
    console.print(render_plan(plan))


def render_plan(plan: SessionPlan) -> RenderableType:
    """Draw the plan, section by section."""
    return Group(
        _title(plan),
        _sessions(plan),
        _streams(plan),
        _storage(plan),
        _corporate_actions(plan),
        _warmups(plan),
        _strategies(plan),
        _warnings(plan),
        Text(),
    )


def session_steps(plan: SessionPlan) -> tuple[int, ...]:
    """Count the steps of every session of the run: the event times of its base streams."""
    intervals = tuple(sorted({Interval.parse(stream.interval) for stream in plan.base_streams}))
    if not intervals:
        return (0,) * len(plan.sessions)
    return tuple(_steps_of(_from_zero(session), intervals) for session in plan.sessions)


@lru_cache(maxsize=64)
def _steps_of(session: Session, intervals: tuple[Interval, ...]) -> int:
    return len(event_times(session, intervals))


def _from_zero(session: Session) -> Session:
    """Move a session to 1970: the few shapes that sessions have are then counted once each."""
    start = session.open_ns
    parts = tuple(_earlier(part, start) for part in session.parts)
    return Session(0, "", session.kind, 0, session.close_ns - start, parts, 0)


def _earlier(part: Hours, by_ns: int) -> Hours:
    anchor_ns = None if part.anchor_ns is None else part.anchor_ns - by_ns
    return Hours(part.open_ns - by_ns, part.close_ns - by_ns, part.kind, anchor_ns)


def _title(plan: SessionPlan) -> Text:
    dates = f"{plan.first_date} … {plan.last_date}" if plan.first_date != plan.last_date else plan.first_date
    rest = f"  {clean(plan.calendar)} ({clean(plan.timezone)})  {dates}"
    return Text.assemble("\n", (clean(plan.name), "bold"), (rest, "dim"))


def _sessions(plan: SessionPlan) -> RenderableType:
    steps = session_steps(plan)
    bars = sum(stored.expected for stored in plan.stored if stored.session >= 0)
    remark = f"{len(plan.sessions):,}, {plural(sum(steps), 'step')}, {plural(bars, 'bar')} expected"
    rows = [_session_row(session, n, plan.timezone) for session, n in zip(plan.sessions, steps, strict=True)]
    shown = table(("", "", "", "", ">"), _ends(rows, plan.sessions))
    skipped = [f"{day} {weekday(day)}" for day in plan.holidays]
    return section(
        "Sessions", remark, shown, *([facts([("no session", listing(skipped))])] if skipped else [])
    )


def _session_row(session: Session, steps: int, timezone: str) -> tuple[str | Text, ...]:
    kind = Text(session.kind, style="yellow" if session.kind == "half" else "")
    hours = session_hours(session, timezone)
    return session.date, weekday(session.date), kind, hours, plural(steps, "step")


def _ends(
    rows: Sequence[tuple[str | Text, ...]], sessions: Sequence[Session]
) -> Iterator[tuple[str | Text, ...]]:
    """Give all rows, or of many the first few and the last few around a count of the rest."""
    if len(rows) <= SESSIONS_SHOWN:
        yield from rows
        return
    head, tail = SESSIONS_SHOWN // 2, SESSIONS_SHOWN - SESSIONS_SHOWN // 2 - 1
    kinds = Counter(session.kind for session in sessions[head:-tail])
    yield from rows[:head]
    yield "…", "", "", Text(", ".join(f"{n:,} {kind}" for kind, n in kinds.items()), style="dim"), ""
    yield from rows[-tail:]


def session_hours(session: Session, timezone: str) -> str:
    """Write the exchange-local hours: regular parts, then from when to when the extended ones go.

    `-1` and `+1` mark the days beside the session's.
    """
    zone = ZoneInfo(timezone)

    def local(instant_ns: int) -> str:
        moment = datetime.fromtimestamp(instant_ns / NS_PER_S, zone)
        days = (moment.date() - datetime.fromisoformat(session.date).date()).days
        return moment.strftime("%H:%M") + (f"({days:+})" if days else "")

    def span(hours: Hours | Session) -> str:
        return f"{local(hours.open_ns)}{DASH}{local(hours.close_ns)}"

    regular = ", ".join(map(span, session.regular))
    return regular if session.parts == session.regular else f"{regular}, extended {span(session)}"


def _streams(plan: SessionPlan) -> RenderableType:
    rows = [
        (" ".join(intervals), Text(label, style=LABEL_STYLES[label]), listing(symbols, 6), clean(reason))
        for (label, reason, symbols), intervals in _stream_groups(plan).items()
    ]
    counts: Counter[str] = Counter(stream.label for stream in plan.streams)
    remark = ", ".join(f"{counts[label]:,} {label}" for label in LABEL_STYLES if label in counts)
    return section("Streams", remark, table(("", "", "", ""), rows))


def _stream_groups(plan: SessionPlan) -> Mapping[tuple[Label, str, tuple[str, ...]], Sequence[str]]:
    """Give the intervals, shortest first, that have label, reason and symbols in common."""
    symbols: dict[tuple[str, Label, str], list[str]] = defaultdict(list)
    for stream in sorted(plan.streams, key=lambda stream: stream.length_ns):
        symbols[stream.interval, stream.label, stream.reason].append(stream.symbol)
    groups: dict[tuple[Label, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (interval, label, reason), found in symbols.items():
        groups[label, reason, tuple(found)].append(interval)
    return groups


def _storage(plan: SessionPlan) -> RenderableType:
    run = _holdings(stored for stored in plan.stored if stored.session >= 0)
    history = _holdings(stored for stored in plan.stored if stored.session < 0)
    streams = [stream for stream in plan.base_streams if stream.id in run or stream.id in history]
    if not streams:
        return section("Storage", "")
    shown = _weakest(streams, run, history)
    rows = [_stored_row(_name(stream), run, history, [stream.id]) for stream in shown]
    if len(shown) < len(streams):
        rest = [stream.id for stream in streams if stream not in shown]
        rows.append(_stored_row(f"{len(rest):,} others", run, history, rest))
    headers = ["stream", ">rows", ">on grid", ">quality"]
    if history:
        headers += [">history", ">on grid", ">quality"]
    return section("Storage", _storage_remark(plan, history), table(headers, rows))


def _storage_remark(plan: SessionPlan, history: Mapping[int, Holding]) -> str:
    if not history:
        return "no history"
    kept = max(stream.history_sessions for stream in plan.base_streams)
    lead = len(plan.history) - kept
    more = f", {lead:,} more read for bars that begin there" if lead else ""
    return f"history: {plural(kept, 'session')}{more}"


def _holdings(stored: Iterable[Stored]) -> dict[int, Holding]:
    held: dict[int, Holding] = {}
    for part in stored:
        before = held.get(part.stream, Holding(0, 0, 0))
        held[part.stream] = Holding(
            before.expected + part.expected, before.rows + part.rows, before.on_grid + part.on_grid
        )
    return held


def _weakest(
    streams: Sequence[Stream], run: Mapping[int, Holding], history: Mapping[int, Holding]
) -> Sequence[Stream]:
    """Choose the streams to show: all, or of many those that lack most, in the plan's order."""
    if len(streams) <= STREAMS_SHOWN:
        return streams

    def lacking(stream: Stream) -> float:
        held = _total((run, history), [stream.id])
        return held.on_grid / held.expected if held.expected else 1.0

    chosen = {stream.id for stream in sorted(streams, key=lacking)[:STREAMS_SHOWN]}
    return [stream for stream in streams if stream.id in chosen]


def _name(stream: Stream) -> str:
    return f"{clean(stream.symbol, 14)} {stream.interval}"


def _total(held: Iterable[Mapping[int, Holding]], ids: Iterable[int]) -> Holding:
    found = [part[stream] for part in held for stream in ids if stream in part]
    return Holding(*(sum(column) for column in zip(Holding(0, 0, 0), *found, strict=True)))


def _stored_row(
    name: str, run: Mapping[int, Holding], history: Mapping[int, Holding], ids: list[int]
) -> list[str | Text]:
    row: list[str | Text] = [name, *_holding_cells(_total([run], ids))]
    if history:
        row += _holding_cells(_total([history], ids))
    return row


def _holding_cells(held: Holding) -> list[str | Text]:
    if not held.expected:
        return [DASH, DASH, DASH]
    style = "" if held.on_grid == held.expected else "red" if not held.on_grid else "yellow"
    grid = f"{compact(held.on_grid, EXACT_BELOW)}/{compact(held.expected, EXACT_BELOW)}"
    return [compact(held.rows, EXACT_BELOW), grid, Text(share(held.on_grid, held.expected), style=style)]


def _corporate_actions(plan: SessionPlan) -> RenderableType:
    file, steps = plan.corporate_actions, plan.adjustments
    if file is None:
        return Group()
    remark = f"{clean(file.name, 60)}, SHA-256 {file.sha256[:12]}…, {_actions(steps)}"
    rows = [_adjustment_row(step) for step in steps[:ACTIONS_SHOWN]]
    if len(steps) > ACTIONS_SHOWN:
        rest = Text(f"{len(steps) - ACTIONS_SHOWN:,} more in plan.json", style="dim")
        rows.append(("…", "", "", rest))
    return section("Corporate actions", remark, *([table(("", "", "", ""), rows)] if rows else []))


def _actions(steps: Sequence[Adjustment]) -> str:
    """Count them: 3 actions of 2 symbols."""
    if not steps:
        return "none of it concerns these symbols and dates"
    return f"{plural(len(steps), 'action')} of {plural(len({step.symbol for step in steps}), 'symbol')}"


def _adjustment_row(step: Adjustment) -> tuple[str | Text, ...]:
    what = [f"split {step.split:g}"] * (step.split != 1) + [f"dividend {step.dividend:g}"] * (
        step.dividend != 0
    )
    effect = f"prices before are multiplied by {step.price_factor:.6g}"
    return clean(step.symbol, 14), step.date, ", ".join(what), effect


def _warmups(plan: SessionPlan) -> RenderableType:
    by_indicator: dict[str, list[Warmup]] = defaultdict(list)
    for warmup in plan.warmups:
        by_indicator[warmup.indicator].append(warmup)
    rows = [(clean(indicator, 40), *_warmup_cells(found)) for indicator, found in by_indicator.items()]
    return section(
        "Warm-up", "", *([table(("indicator", ">needs", ">history has", ""), rows)] if rows else [])
    )


def _warmup_cells(warmups: Sequence[Warmup]) -> tuple[str, str, str | Text]:
    needed = [warmup.bars_needed for warmup in warmups]
    has = [warmup.bars_in_history for warmup in warmups]
    short = [warmup.symbol for warmup in warmups if warmup.bars_in_history < warmup.bars_needed]
    verdict = (
        Text(f"not warm at first: {listing(short)}", style="yellow") if short else Text("warm", style="green")
    )
    unit = warmups[0].unit
    return _extent(needed, unit), _extent(has, unit), verdict


def _extent(numbers: Sequence[int], unit: Unit) -> str:
    low, high = min(numbers), max(numbers)
    return counted(low, unit) if low == high else f"{low:,}{DASH}{counted(high, unit)}"


def _strategies(plan: SessionPlan) -> RenderableType:
    if not plan.strategies:
        return section("Strategies", "none: bars and quality are recorded, nothing is analysed")
    return section("Strategies", "", facts(_strategy(spec) for spec in plan.strategies))


def _strategy(spec: StrategySpec) -> tuple[str, str]:
    params = ", ".join(f"{clean(name)}={clean(value, 60)}" for name, value in spec.params.items())
    words = [
        clean(spec.target),
        f"in {clean(spec.actor)}",
        params,
        "errors are skipped" * (spec.on_error == "skip"),
    ]
    return clean(spec.name, 24), ", ".join(word for word in words if word)


def _warnings(plan: SessionPlan) -> RenderableType:
    lines = [Text(f"! {clean(warning)}", style="yellow") for warning in plan.warnings[:WARNINGS_SHOWN]]
    if len(plan.warnings) > WARNINGS_SHOWN:
        lines.append(Text(f"… and {len(plan.warnings) - WARNINGS_SHOWN:,} more in plan.json", style="yellow"))
    return section("Warnings", "", *lines)
