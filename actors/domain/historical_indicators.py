"""Historical indicators: figures over the last sessions strictly before the current one, for every session.

1. A window is made of sessions of the calendar. One of the window without a bar of the symbol, or too few of
   them, leaves the symbol without a value, and with the reason.
2. Nothing outside of the window counts, so it does not matter where a run starts.
3. Whole sessions are taken from the 1d bars, minutes from the 1m bars of the regular hours. Minutes belong
   together by what the exchange's clock shows as they open: a half day, a lunch break or a change of the
   clocks shifts nothing.
4. Means by minute are added up from the oldest session to the newest, from the left, and divided.
"""

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from statistics import fmean
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.clock_grid import ClockGrid, regular_minutes
from actors.domain.session_figures import Formula, SessionBar
from actors.domain.session_plan import HistoricalSpec, Session, SessionPlan
from protocol.blocks import NO_FLOATS, Bars, FloatBlock, float_block
from protocol.messages import Figure

Floats = npt.NDArray[np.float64]
_STREAMS: Final = 65_536
_FIELDS: Final = SessionBar._fields
_DATES_SHOWN: Final = 3
_FIGURES: Final = "actors.domain.session_figures"
_MODULES: Final = {"atr_daily": "actors.domain.talib_indicators"}
"""Formulas that are not in `_FIGURES`; imported when asked for, because TA-Lib is slow to import."""
_TRAILING: Final[dict[str, Callable[[Iterable[float]], float]]] = {
    "trailing_average": fmean,
    "trailing_max": max,
    "trailing_min": min,
}


class PastSession(NamedTuple):
    """What is kept of a session; NaN where there is no bar."""

    date: str
    values: Floats


class PastSessions:
    """The last sessions, as many as the longest period takes, and the last ones that are no half days."""

    def __init__(self, specs: Sequence[HistoricalSpec]) -> None:
        """Keep what these look back on."""
        self._kept: dict[bool, deque[PastSession]] = {
            skips: deque(maxlen=_longest(spec for spec in specs if spec.skip_early_close is skips))
            for skips in (False, True)
        }

    def append(self, session: Session, values: Floats) -> None:
        """Keep a session that is over."""
        past = PastSession(session.date, values)
        self._kept[False].append(past)
        if session.kind != "half":
            self._kept[True].append(past)

    def window(self, spec: HistoricalSpec) -> tuple[PastSession, ...]:
        """Give the sessions that an indicator looks back on, oldest first; fewer where there are no more."""
        return tuple(self._kept[spec.skip_early_close])[-spec.sessions_needed :]


class DailyFigures:
    """The figures that are computed from whole sessions."""

    def __init__(self, plan: SessionPlan, specs: Sequence[HistoricalSpec]) -> None:
        """Know no session."""
        self._symbols = _symbols(specs)
        self._place = _places(plan, "1d", self._symbols)
        self._formulas = [(spec, formula_of(spec)) for spec in specs]
        self._past = PastSessions(specs)
        self._bars = np.empty((0, 0))

    def start_session(self, _session: Session) -> None:
        """Begin with no bar."""
        self._bars = np.full((len(self._symbols), len(_FIELDS)), np.nan)

    def add(self, bars: Bars) -> None:
        """Take what is a 1d bar among these."""
        rows, places = _own(bars, self._place)
        for column, name in enumerate(_FIELDS):
            self._bars[places, column] = rows[name]

    def end_session(self, session: Session) -> None:
        """Keep the session's bars."""
        self._past.append(session, self._bars)

    def figures(self) -> Iterator[Figure]:
        """Compute every indicator for every symbol of its own."""
        for spec, formula in self._formulas:
            window = self._past.window(spec)
            bars = np.array([past.values for past in window]).reshape(
                len(window), len(self._symbols), len(_FIELDS)
            )
            for symbol in spec.symbols:
                yield _daily_figure(spec, formula, symbol, window, bars[:, self._symbols[symbol]])


class MinuteFigures:
    """The figures that have a value for every minute of the session."""

    def __init__(self, plan: SessionPlan, specs: Sequence[HistoricalSpec]) -> None:
        """Know no session."""
        self._symbols = _symbols(specs)
        self._place = _places(plan, "1m", self._symbols)
        self._specs = tuple(specs)
        self._fields = tuple(dict.fromkeys(spec.field for spec in specs))
        self._past = PastSessions(specs)
        self._grid = ClockGrid(plan)
        self._opens = self._slots = np.empty(0, dtype=np.int64)
        self._values = np.empty((0, 0, 0))

    def start_session(self, session: Session) -> None:
        """Begin with no bar."""
        self._opens, self._slots = regular_minutes(session), self._grid.slots(session)
        self._values = np.full((len(self._fields), len(self._symbols), len(self._grid)), np.nan)

    def add(self, bars: Bars) -> None:
        """Take what is a 1m bar of the regular hours among these."""
        rows, places = _own(bars, self._place)
        minutes = np.searchsorted(self._opens, rows["open_ts"])
        regular = np.equal(self._opens.take(minutes, mode="clip"), rows["open_ts"])
        slots = self._slots[minutes[regular]]
        for values, name in zip(self._values, self._fields, strict=True):
            values[places[regular], slots] = rows[name][regular]

    def end_session(self, session: Session) -> None:
        """Keep the session's bars."""
        self._past.append(session, self._values)

    def figures(self) -> Iterator[Figure]:
        """Compute every indicator for every symbol of its own, over the minutes of the current session."""
        for spec in self._specs:
            window = self._past.window(spec)
            field = self._fields.index(spec.field)
            columns = [past.values[field] for past in window]
            there = np.array([~np.isnan(values).all(axis=1) for values in columns])
            means = minute_means(columns, self._values.shape[1:])[:, self._slots]
            for symbol in spec.symbols:
                place = self._symbols[symbol]
                reason = shortage(spec, window, there[:, place].tolist() if window else [])
                values = NO_FLOATS if reason else float_block(means[place])
                yield Figure(spec.key, symbol, (), values, reason)


class HistoricalIndicators:
    """All historical indicators of a plan, session by session."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know no session."""
        daily = [spec for spec in plan.historical if not spec.by_minute]
        by_minute = [spec for spec in plan.historical if spec.by_minute]
        self._sources: list[DailyFigures | MinuteFigures] = []
        if daily:
            self._sources.append(DailyFigures(plan, daily))
        if by_minute:
            self._sources.append(MinuteFigures(plan, by_minute))
        self._session: Session | None = None

    def start_session(self, session: Session) -> tuple[Figure, ...]:
        """Count the session that is over; give the figures for the one that begins, none for history."""
        for source in self._sources:
            if self._session is not None:
                source.end_session(self._session)
            source.start_session(session)
        self._session = session
        if session.index < 0:
            return ()
        return tuple(figure for source in self._sources for figure in source.figures())

    def add(self, bars: Bars) -> None:
        """Take bars of the session, base or derived, each once."""
        if len(bars):
            for source in self._sources:
                source.add(bars)


def formula_of(spec: HistoricalSpec) -> Formula:
    """Find what is computed from the sessions of a window."""
    if spec.kind in _TRAILING:
        reduce, field = _TRAILING[spec.kind], attrgetter(spec.field)
        return lambda sessions: reduce(map(field, sessions))
    formula: Formula = importlib.import_module(_MODULES.get(spec.kind, _FIGURES)).FORMULAS[spec.kind]
    return formula


def minute_means(columns: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    """Average each cell over the arrays that have a number there; NaN where none has."""
    total, count = np.zeros(shape), np.zeros(shape)
    for values in columns:
        there = ~np.isnan(values)
        total += np.where(there, values, 0.0)
        count += there
    means = np.full(shape, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def shortage(spec: HistoricalSpec, window: Sequence[PastSession], there: Sequence[bool]) -> str:
    """Say what a window lacks; empty where it is whole."""
    has = sum(there)
    if has == spec.sessions_needed:
        return ""
    absent = [past.date for past, is_there in zip(window, there, strict=True) if not is_there]
    words = f"needs {spec.sessions_needed} sessions, history has {has}"
    if not absent:
        return words
    more = f" and {len(absent) - _DATES_SHOWN} more" if len(absent) > _DATES_SHOWN else ""
    return f"{words}: no bars on {', '.join(absent[:_DATES_SHOWN])}{more}"


def _daily_figure(
    spec: HistoricalSpec, formula: Formula, symbol: str, window: Sequence[PastSession], bars: Floats
) -> Figure:
    reason = shortage(spec, window, (~np.isnan(bars[:, 0])).tolist())
    if reason:
        return Figure(spec.key, symbol, (), NO_FLOATS, reason)
    value = formula([SessionBar(*bar) for bar in bars.tolist()])
    if value is None:
        return Figure(spec.key, symbol, (), NO_FLOATS, "no price moved in these sessions")
    return Figure(spec.key, symbol, getattr(value, "_fields", ()), _packed(value), "")


def _packed(value: Any) -> FloatBlock:  # noqa: ANN401  a float, or a tuple of numbers
    return float_block(np.atleast_1d(np.array(value, dtype=np.float64)))


def _longest(specs: Iterable[HistoricalSpec]) -> int:
    return max((spec.sessions_needed for spec in specs), default=0)


def _symbols(specs: Iterable[HistoricalSpec]) -> dict[str, int]:
    """Give every symbol that is asked for its place."""
    names = dict.fromkeys(symbol for spec in specs for symbol in spec.symbols)
    return {symbol: place for place, symbol in enumerate(names)}


def _places(plan: SessionPlan, interval: str, symbols: dict[str, int]) -> npt.NDArray[np.int64]:
    """Give the symbol's place for every stream id; -1 for streams that are not looked at."""
    places = np.full(_STREAMS, -1, dtype=np.int64)
    for symbol, place in symbols.items():
        places[plan.stream_id(symbol, interval)] = place
    return places


def _own(bars: Bars, place: npt.NDArray[np.int64]) -> tuple[Bars, npt.NDArray[np.int64]]:
    """Choose the rows of the streams that have a place, and give their places."""
    places = place[bars["stream"]]
    own = places >= 0
    return bars.compress(own), places[own]
