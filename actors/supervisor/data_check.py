"""The quality manager's verdict over a stored range: the loader's screening and the ledger of a run.

One stream is judged after the other, one session at a time, so that memory does not grow with the range.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, Protocol

import numpy as np

from actors.config.vocabulary import EXCHANGE_GROUPS
from actors.domain.adjustments import UNADJUSTED, PriceScale
from actors.domain.calendar_table import (
    CalendarError,
    CalendarSource,
    CalendarTable,
    session_preceding,
    sessions_between,
    sessions_spanning,
)
from actors.domain.check_request import CheckRequest
from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.grid import expected_closes
from actors.domain.intervals import NS_PER_S, UNIT_NS, Interval
from actors.domain.ports import BarSource
from actors.domain.quality_ledger import Appraisal, GridLedger, Steps, StreamQuality, by_stretch
from actors.domain.screening import Screened
from actors.domain.session_plan import Session, Stream
from actors.domain.session_shape import has_extended_hours, no_extended_hours, shape
from actors.domain.stream_reading import StreamReader
from actors.runtime.corporate_actions import ActionsFile, read_actions
from actors.runtime.store import Catalog, StreamHolding, stored_holdings
from actors.supervisor.corporate_actions import ActionAppraiser, Reach
from actors.supervisor.wording import listed
from protocol.messages import Defect, Gap

_DAILY: Final = Interval(1, "d")
_EXTENSION_NS: Final = 12 * UNIT_NS["h"]
"""More than extended hours add at either end."""


class StreamCheck(NamedTuple):
    """What is judged of one stream."""

    symbol: str
    interval: str
    table: CalendarTable
    first: date
    """The first session."""
    last: date
    """The last session."""
    stored_rows: int
    """All rows of the stream, within these sessions or not."""


class Unchecked(NamedTuple):
    """A stream that cannot be judged."""

    symbol: str
    interval: str
    reason: str


class SessionVerdict(NamedTuple):
    """What one session of one stream came to."""

    session: Session
    rows: int
    """All rows, good or bad, those stored since the close before included."""
    quality: StreamQuality
    gaps: tuple[Gap, ...]
    defects: tuple[Defect, ...]

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to find fault with."""
        return not self.gaps and not self.defects

    @property
    def defect_rows(self) -> int:
        """How many rows the defects cover; one with two of them counts twice."""
        return sum(defect.rows for defect in self.defects)


class CheckReader(Protocol):
    """Who is told what a check finds."""

    def add(self, check: StreamCheck, verdict: SessionVerdict) -> None:
        """Take note of one session."""
        ...

    def leave_out(self, unchecked: Unchecked) -> None:
        """Take note of a stream that cannot be judged, or not to its end."""
        ...


def run_check(request: CheckRequest, calendars: CalendarSource, reader: CheckReader) -> None:
    """Judge every stream that was asked for, and tell `reader`.

    Raises ConfigError where the request cannot be served, DataError where nothing that it names is stored.
    """
    _check_hours(request)
    actions = _actions(request)
    for check in _plan(request, _selected(request), calendars):
        if isinstance(check, Unchecked):
            reader.leave_out(check)
        else:
            _check(request, check, actions, reader)


def judge(
    source: BarSource,
    stream: Stream,
    sessions: Iterable[Session],
    before: Session | None,
    jump_ratio: float,
    scale: PriceScale = UNADJUSTED,
) -> Iterator[SessionVerdict]:
    """Screen and count session by session; `before` is the one before the first of them.

    Raises DataError where storage is unreadable.
    """
    interval = Interval.parse(stream.interval)
    reader = StreamReader(source, stream, jump_ratio, scale)
    ledger = GridLedger(interval, [stream.id])
    for session in sessions:
        rows, screened = reader.read(session, before)
        found = list(_appraisals(ledger, session, _whole_session(session, interval, screened)))
        quality = _quality(stream.id, [appraisal.records[-1].tolist() for appraisal in found])
        gaps = tuple(gap for appraisal in found for gap in appraisal.gaps)
        yield SessionVerdict(session, rows, quality, gaps, screened.defects)
        before = session


def _appraisals(ledger: GridLedger, session: Session, steps: Steps) -> Iterator[Appraisal]:
    for stretch, own in by_stretch(steps, session):
        ledger.start_session(stretch)
        yield ledger.appraise(own)


def _whole_session(session: Session, interval: Interval, screened: Screened) -> Steps:
    known = np.array([defect.known_ts for defect in screened.defects], dtype=np.int64)
    times = np.union1d(expected_closes(session, interval), known)
    return Steps(times, True, screened.bars, screened.defects)


def _quality(stream: int, records: Iterable[tuple[int, ...]]) -> StreamQuality:
    """Add up the counters of a session's stretches."""
    _, _, *counters = map(sum, zip(*records, strict=True))
    return StreamQuality(stream, *counters)


def _check(
    request: CheckRequest, check: StreamCheck, actions: ActionsFile | None, reader: CheckReader
) -> None:
    """Judge one stream with a catalog of its own, which forgets the files of the others."""
    sessions = _shaped(request, check.table, sessions_between(check.table, check.first, check.last))
    preceding = session_preceding(check.table, sessions[0])
    before = None if preceding is None else _shaped(request, check.table, (preceding,))[0]
    stream = Stream(0, check.symbol, check.interval, "STREAMED", "checked")
    catalog = Catalog(request.catalog)
    try:
        scale = UNADJUSTED
        if actions is not None:
            reach = Reach(stream.symbol, (stream,), (before or sessions[0]).date, None)
            appraiser = ActionAppraiser(_known(actions, check), catalog, check.table)
            scale = PriceScale(appraiser.adjustments((reach,)))
        for verdict in judge(catalog, stream, sessions, before, request.jump_ratio, scale):
            reader.add(check, verdict)
    except DataError as error:
        reader.leave_out(Unchecked(check.symbol, check.interval, str(error)))


def _actions(request: CheckRequest) -> ActionsFile | None:
    file = request.corporate_actions
    return None if file is None else read_actions(file, "--corporate-actions")


def _known(actions: ActionsFile, check: StreamCheck) -> ActionsFile:
    """Leave out what lies behind the last session: between two sessions it makes no difference."""
    found = actions.actions.get(check.symbol, ())
    kept = tuple(action for action in found if action.date <= str(check.last))
    return actions._replace(actions={check.symbol: kept})


def _check_hours(request: CheckRequest) -> None:
    name = EXCHANGE_GROUPS.get(request.calendar or "", request.calendar)
    if request.extended_hours and name and not has_extended_hours(name):
        raise ConfigError(None, (Problem("--extended-hours", f"{no_extended_hours(name)}; leave it out"),))


def _shaped(request: CheckRequest, table: CalendarTable, sessions: Iterable[Session]) -> tuple[Session, ...]:
    clock = request.align == "clock"
    return shape(sessions, table.timezone, extended=request.extended_hours, clock=clock)


def _selected(request: CheckRequest) -> tuple[StreamHolding, ...]:
    """Find the streams that were asked for, and make sure that each name is one."""
    stored = tuple(stored_holdings(request.catalog))
    _check_stored(request, "symbol", request.symbols, [holding.symbol for holding in stored])
    _check_stored(request, "interval", request.intervals, [holding.interval for holding in stored])
    chosen = tuple(
        holding
        for holding in stored
        if holding.symbol in (request.symbols or (holding.symbol,))
        and holding.interval in (request.intervals or (holding.interval,))
    )
    if not chosen:
        raise DataError(
            f"{request.catalog} has no {listed(request.intervals)} bars of {listed(request.symbols)}; "
            "`sessionflow data list` shows what there is"
        )
    return chosen


def _check_stored(request: CheckRequest, what: str, asked: Iterable[str], stored: Iterable[str]) -> None:
    there = dict.fromkeys(stored)
    absent = [name for name in asked if name not in there]
    if absent:
        raise DataError(
            f"{request.catalog} has no bars of {what} {listed(absent)}; it holds {listed(there)}. "
            f"Correct --{what}, or name another folder with --catalog"
        )


def _plan(
    request: CheckRequest, holdings: tuple[StreamHolding, ...], calendars: CalendarSource
) -> Iterator[StreamCheck | Unchecked]:
    """Decide stream by stream which sessions are judged."""
    tables = _tables(request, holdings, calendars)
    for holding in holdings:
        obstacle = _obstacle(holding)
        name = _calendar(request, holding)
        table = tables.get(name) if name is not None else None
        if obstacle is not None:
            yield Unchecked(holding.symbol, holding.interval, obstacle)
        elif name is None or table is None:
            yield Unchecked(holding.symbol, holding.interval, _no_calendar(holding, name))
        elif request.extended_hours and not has_extended_hours(name):
            yield Unchecked(holding.symbol, holding.interval, no_extended_hours(name))
        else:
            yield _with_sessions(request, holding, table)


def _obstacle(holding: StreamHolding) -> str | None:
    """Say what stands against judging a stream at all."""
    interval = Interval.parse(holding.interval)
    if holding.damage:
        return "\n".join(holding.damage)
    if not interval.is_intraday and interval != _DAILY:
        return "bars longer than a session are not judged session by session"
    if not holding.rows:
        return "its files hold no row; import its bars again or remove them"
    return None


def _calendar(request: CheckRequest, holding: StreamHolding) -> str | None:
    name = request.calendar or holding.note("calendar")
    return None if name is None else EXCHANGE_GROUPS.get(name, name)


def _no_calendar(holding: StreamHolding, name: str | None) -> str:
    if name is not None:
        return f"its files name a calendar {name!r} that there is not; state one with --calendar"
    named = holding.notes.get("calendar", ())
    found = f"name several calendars ({listed(named)})" if named else "name no calendar"
    return f"its files {found}; state it, as in --calendar XNYS"


def _tables(
    request: CheckRequest, holdings: tuple[StreamHolding, ...], calendars: CalendarSource
) -> Mapping[str, CalendarTable]:
    """Compile each calendar once, as far as the stored bars reach; leave out those that there are not.

    Raises ConfigError where it was the request that named it.
    """
    last = max(request.end or date.min, *(_day(holding.last_ns) for holding in holdings))
    tables: dict[str, CalendarTable] = {}
    for name in {_calendar(request, holding) for holding in holdings} - {None}:
        try:
            tables[str(name)] = calendars.table(str(name), last)
        except CalendarError as error:
            if request.calendar:
                raise ConfigError(None, (Problem("--calendar", str(error)),)) from error
    return tables


def _day(instant_ns: int | None) -> date:
    return date.min if instant_ns is None else datetime.fromtimestamp(instant_ns // NS_PER_S, UTC).date()


def _with_sessions(
    request: CheckRequest, holding: StreamHolding, table: CalendarTable
) -> StreamCheck | Unchecked:
    """Choose the sessions: those between the dates, in place of a date those that storage reaches."""
    start, end = request.start, request.end
    try:
        sessions = (
            sessions_between(table, start, end)
            if start and end
            else _stored_sessions(request, holding, table)
        )
    except CalendarError as error:
        if start and end:
            raise ConfigError(None, (Problem("--start, --end", str(error)),)) from error
        return Unchecked(holding.symbol, holding.interval, str(error))
    if not sessions:
        return Unchecked(holding.symbol, holding.interval, "nothing is stored of these sessions")
    first, last = (date.fromisoformat(session.date) for session in (sessions[0], sessions[-1]))
    return StreamCheck(holding.symbol, holding.interval, table, first, last, holding.rows)


def _stored_sessions(
    request: CheckRequest, holding: StreamHolding, table: CalendarTable
) -> tuple[Session, ...]:
    if holding.first_ns is None or holding.last_ns is None:
        raise CalendarError("its files do not say which stamps they hold; state --start and --end")
    first, last = str(request.start or date.min), str(request.end or date.max)
    margin_ns = _EXTENSION_NS if request.extended_hours else 0
    near = sessions_spanning(table, holding.first_ns - margin_ns, holding.last_ns + margin_ns)
    return tuple(
        session
        for session in _shaped(request, table, near)
        if first <= session.date <= last
        and session.close_ns > holding.first_ns
        and session.open_ns <= holding.last_ns
    )
