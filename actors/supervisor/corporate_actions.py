"""Which corporate actions of a file a run applies, and by which factors.

1. Those with an ex-date behind the first session whose prices count, however far behind the run's end: a run
   that ends earlier has the same prices.
2. A dividend is valued by the last valid close before its ex-date, as it is stored, in regular hours, within
   ten sessions, of the shortest interval that is read and has one. Where there is none and no bar is read
   before the ex-date, the action is left out, for it changes nothing.
3. Dividends that cannot be valued are listed all at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from actors.config import SessionConfig
from actors.domain.adjustments import CorporateAction, adjustment_of
from actors.domain.calendar_table import CalendarError, CalendarSource, CalendarTable, sessions_between
from actors.domain.errors import DataError
from actors.domain.ports import BarSource
from actors.domain.session_plan import ActionFile, Adjustment, Session, Stored, Stream
from actors.domain.stream_reading import StreamReader
from actors.runtime.corporate_actions import ActionsFile, read_actions

_SESSIONS_BACK: Final = 10
_DAYS_BACK: Final = timedelta(days=30)
"""Holds ten sessions of any calendar."""
_FAULTS_SHOWN: Final = 20
_ANY_RATIO: Final = 2.0
"""Jumps are delivered, so that it decides no close."""


class Reach(NamedTuple):
    """What is read of one symbol."""

    symbol: str
    streams: Sequence[Stream]
    """The stored ones, by interval."""
    since: str
    """The date of the first session whose prices count, be it for the last close only."""
    first_bar: str | None
    """The date of the first session with a bar; None where a dividend without a close may be left out."""


class _Unvalued(ValueError):
    """A dividend that cannot be valued; the message says why."""


class AppliedActions(NamedTuple):
    """What a plan says of corporate actions."""

    file: ActionFile | None = None
    adjustments: tuple[Adjustment, ...] = ()


class ActionAppraiser:
    """Find the factors of a file's actions."""

    def __init__(self, file: ActionsFile, source: BarSource, table: CalendarTable) -> None:
        """Find closes in `source`, in the sessions of `table`."""
        self._file = file
        self._source = source
        self._table = table

    def adjustments(self, reaches: Iterable[Reach]) -> tuple[Adjustment, ...]:
        """Give what is applied, by symbol as they come, then by date.

        Raises DataError with all the dividends that cannot be valued.
        """
        found: list[Adjustment] = []
        faults: list[str] = []
        for reach in reaches:
            for action in self._file.actions.get(reach.symbol, ()):
                if action.date > reach.since and not action.is_idle:
                    try:
                        found += self._appraised(action, reach)
                    except _Unvalued as error:
                        faults.append(f"\n  line {action.line}, {action.symbol} {action.date}: {error}")
        if faults:
            raise DataError(_refusal(self._file, faults))
        return tuple(found)

    def _appraised(self, action: CorporateAction, reach: Reach) -> Iterator[Adjustment]:
        close = self._close_before(action, reach) if action.dividend else None
        if close is not None or not action.dividend:
            yield adjustment_of(action, close)

    def _close_before(self, action: CorporateAction, reach: Reach) -> float | None:
        sessions = self._sessions_before(action)
        closes = (self._last_close(stream, session) for stream in reach.streams for session in sessions)
        close = next((close for close in closes if close is not None), None)
        if close is None and reach.first_bar is not None and reach.first_bar < action.date:
            raise _Unvalued(f"no valid bar is stored in the {_SESSIONS_BACK} sessions before")
        if close is not None and action.dividend >= close:
            raise _Unvalued(f"{action.dividend:g} is not below the close before, {close:g}")
        return close

    def _sessions_before(self, action: CorporateAction) -> Sequence[Session]:
        """Give the sessions in which a close may be, the latest first."""
        day, table = date.fromisoformat(action.date), self._table
        try:
            found = sessions_between(table, max(table.first, day - _DAYS_BACK), day - timedelta(days=1))
        except CalendarError as error:
            raise _Unvalued(str(error)) from error
        return found[: -_SESSIONS_BACK - 1 : -1]

    def _last_close(self, stream: Stream, session: Session) -> float | None:
        closes = StreamReader(self._source, stream, _ANY_RATIO).read(session, None).screened.bars["close"]
        return float(closes[-1]) if len(closes) else None


def _refusal(file: ActionsFile, faults: Sequence[str]) -> str:
    rest = len(faults) - _FAULTS_SHOWN
    more = f"\n  and {rest} more" if rest > 0 else ""
    return (
        f"{file.path}: dividends that cannot be set against the close before their ex-date:"
        f"{''.join(faults[:_FAULTS_SHOWN])}{more}\n"
        "Correct these lines, import the bars of the days before, or remove the lines"
    )


class Reading(NamedTuple):
    """What a run reads, as far as it is decided."""

    streams: Sequence[Stream]
    stored: Iterable[Stored]
    sessions: Sequence[Session]
    """History and run."""
    before: Session | None
    """The session before them, whose last closes count."""


def applied_actions(
    config: SessionConfig, source: BarSource, calendars: CalendarSource, reading: Reading
) -> AppliedActions:
    """Find what the configured file does to a run; nothing where there is none.

    Raises ConfigError where the file cannot be read, DataError where its lines cannot be used.
    """
    path = config.corporate_actions_path
    if path is None:
        return AppliedActions()
    file = read_actions(path)
    reaches = tuple(_reaches(config.session_data_config.symbols, reading))
    appraiser = ActionAppraiser(file, source, _table(config, calendars, file, reaches))
    return AppliedActions(ActionFile(path.name, file.sha256), appraiser.adjustments(reaches))


def _table(
    config: SessionConfig, calendars: CalendarSource, file: ActionsFile, reaches: Iterable[Reach]
) -> CalendarTable:
    """Give the run's calendar, as far as the last dividend if it can be worked out."""
    days = [
        date.fromisoformat(action.date)
        for reach in reaches
        for action in file.actions.get(reach.symbol, ())
        if action.dividend
    ]
    return calendars.table(config.calendar, max([config.backtest_end_date, *days]))


def _reaches(symbols: Iterable[str], reading: Reading) -> Iterator[Reach]:
    since = (reading.before or reading.sessions[0]).date
    first_bars = _first_bars(reading)
    for symbol in symbols:
        streams = [stream for stream in reading.streams if stream.symbol == symbol]
        stored = [stream for stream in streams if stream.label == "STREAMED"]
        found = [first_bars[stream.id] for stream in stored if stream.id in first_bars]
        yield Reach(symbol, stored, since, min(found, default=None))


def _first_bars(reading: Reading) -> dict[int, str]:
    """Give for each stream that has any bars the date of its first session that has."""
    dates = {session.index: session.date for session in reading.sessions}
    first: dict[int, str] = {}
    for holding in reading.stored:
        if holding.on_grid:
            first.setdefault(holding.stream, dates[holding.session])
    return first
