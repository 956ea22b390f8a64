"""From a configuration and what storage holds to the plan of a run, or to all that stands against it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path, PurePath
from typing import Final

import msgspec

from actors.config import SessionConfig
from actors.domain.calendar_table import (
    CalendarError,
    CalendarSource,
    CalendarTable,
    NoSession,
    OutsideCalendar,
    holidays_between,
    session_preceding,
    sessions_before,
    sessions_between,
)
from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.indicators import bars_needed, unit_needed
from actors.domain.intervals import Interval
from actors.domain.ports import BarSource
from actors.domain.session_blocks import with_lead_sessions
from actors.domain.session_plan import (
    PLAN_VERSION,
    IndicatorSpec,
    Session,
    SessionPlan,
    Stream,
    Warmup,
)
from actors.domain.session_shape import shape
from actors.domain.stream_decision import decide_streams
from actors.supervisor.absence import history_warnings, settle_absence
from actors.supervisor.corporate_actions import Reading, applied_actions
from actors.supervisor.demand import Demand, configured_indicators, gather_demand
from actors.supervisor.gap_sources import gap_source_warnings, with_gap_sources
from actors.supervisor.historical import (
    check_figures,
    deepened,
    depths,
    figure_warmups,
    figure_warnings,
    unserved,
)
from actors.supervisor.inventory import Inventory, StockTaker
from actors.supervisor.quality_gate import check_quality
from actors.supervisor.settings import flow, remote, rules, strategies, trading
from actors.supervisor.warmups import cold_starts
from actors.supervisor.wording import listed

_BEYOND: Final = timedelta(days=31)
"""So far beyond a run the calendar is asked for, that the session after its last one is known."""


def make_plan(
    config: SessionConfig, source: BarSource, calendars: CalendarSource, path: Path | None = None
) -> SessionPlan:
    """Plan a run. `path` is the configuration's file, which errors name.

    Raises ConfigError, and DataError where storage lacks what the run cannot do without.
    """
    try:
        return _plan(config, source, calendars)
    except ConfigError as error:
        raise ConfigError(path, error.problems) from error


def portable(plan: SessionPlan) -> SessionPlan:
    """Leave out what holds on this machine only: the places of catalog, keys and strategy files."""
    named = tuple(
        msgspec.structs.replace(strategy, target=_without_folder(strategy.target))
        for strategy in plan.strategies
    )
    observed = None if plan.remote is None else msgspec.structs.replace(plan.remote, keys="")
    return msgspec.structs.replace(plan, catalog="", strategies=named, remote=observed)


def for_actors(plan: SessionPlan) -> SessionPlan:
    """Leave out what no actor asks for; what storage holds grows with symbols times sessions."""
    return msgspec.structs.replace(plan, holidays=(), stored=(), warmups=(), warnings=())


def _plan(config: SessionConfig, source: BarSource, calendars: CalendarSource) -> SessionPlan:
    first, last = config.backtest_start_date, config.backtest_end_date
    table = _calendar(config, calendars)
    shaped = _shape_of(config, table)
    sessions = shaped(_sessions(table, first, last))
    demand = gather_demand(config)
    historical = tuple(spec for _, spec in demand.historical)
    streams = _reaching_back(_streams(config, source, demand), demand, table, sessions)
    history = shaped(_history(table, sessions, streams))
    preceding = session_preceding(table, (*history, *sessions)[0])
    before = None if preceding is None else shaped((preceding,))[0]
    served = tuple(stream for stream in streams if stream.label != "IGNORED")
    inventory = StockTaker(source, served, config.derived.min_coverage).count(history, sessions)
    absence = settle_absence(config, served, inventory.stored, sessions)
    streams, served = absence.mark(streams), absence.mark(served)
    reading = Reading(served, inventory.stored, (*history, *sessions), before)
    actions = applied_actions(config, source, calendars, reading)
    low_quality = check_quality(config, source, served, sessions, before)
    warmups = tuple(_warmups(demand.indicators(), served, inventory))
    figures = tuple(figure_warmups(historical, served, inventory.stored, history))
    return SessionPlan(
        version=PLAN_VERSION,
        name=config.session_name,
        calendar=config.calendar,
        timezone=table.timezone,
        first_date=str(first),
        last_date=str(last),
        catalog=str(config.catalog_path),
        symbols=config.session_data_config.symbols,
        sessions=sessions,
        history=history,
        holidays=tuple(str(day) for day in holidays_between(table, first, last)),
        streams=streams,
        stored=absence.trim(inventory.stored),
        warmups=(*warmups, *figures),
        strategies=strategies(config),
        warnings=(
            *_config_warnings(config, streams),
            *absence.warnings,
            *low_quality,
            *history_warnings(served, inventory.stored, history),
            *_warmup_warnings(warmups),
            *figure_warnings(figures),
        ),
        flow=flow(config),
        rules=rules(config),
        trading=trading(config),
        log_steps=config.logging.steps,
        log_level=config.logging.level,
        log_file_bytes=config.logging.file_mb * 2**20,
        log_keep=config.logging.keep,
        before=before,
        historical=historical,
        indicator_tables=config.session_data_config.indicators.tables,
        corporate_actions=actions.file,
        adjustments=actions.adjustments,
        remote=remote(config),
    )


def _reaching_back(
    streams: tuple[Stream, ...], demand: Demand, table: CalendarTable, sessions: tuple[Session, ...]
) -> tuple[Stream, ...]:
    """Have streams read as far back as longer bars and historical indicators begin; all must be served."""
    _check_served(demand, streams)
    led = with_lead_sessions(streams, table, sessions[0])
    specs = tuple(spec for _, spec in demand.historical)
    deep = deepened(led, depths(specs, led, table, date.fromisoformat(sessions[0].date)))
    check_figures(demand.historical, sessions)
    return deep


def _config_warnings(config: SessionConfig, streams: tuple[Stream, ...]) -> Iterator[str]:
    """Say what of the configuration is not acted on, or has no effect."""
    yield from config.warnings()
    yield from _reader_warnings(config)
    yield from gap_source_warnings(config, streams)


def _calendar(config: SessionConfig, calendars: CalendarSource) -> CalendarTable:
    until = min(config.backtest_end_date, date.max - _BEYOND) + _BEYOND
    try:
        return calendars.table(config.calendar, until)
    except CalendarError as error:
        raise _refusal("exchange_group", str(error)) from error


def _shape_of(
    config: SessionConfig, table: CalendarTable
) -> Callable[[Iterable[Session]], tuple[Session, ...]]:
    extended, clock = config.session_data_config.extended_hours, config.derived.align == "clock"
    return partial(shape, timezone=table.timezone, extended=extended, clock=clock)


def _sessions(table: CalendarTable, first: date, last: date) -> tuple[Session, ...]:
    outside = [
        Problem(f"backtest_config.{field}", f"{day} is outside calendar {table.name}: it {_covers(table)}")
        for field, day in (("start_date", first), ("end_date", last))
        if not table.covers(day)
    ]
    if outside:
        raise ConfigError(None, tuple(outside))
    try:
        return sessions_between(table, first, last)
    except NoSession as error:
        message = (
            f"calendar {table.name} has no session from start_date {first} to end_date {last}; "
            "choose dates with at least one session between them"
        )
        raise _refusal("backtest_config", message) from error


def _covers(table: CalendarTable) -> str:
    return f"covers the years {table.first.year} to {table.last.year}, {table.first} to {table.last}"


def _history(
    table: CalendarTable, sessions: tuple[Session, ...], streams: Iterable[Stream]
) -> tuple[Session, ...]:
    count = max((stream.sessions_read for stream in streams if stream.label != "IGNORED"), default=0)
    try:
        return sessions_before(table, date.fromisoformat(sessions[0].date), count)
    except OutsideCalendar as error:
        message = f"{error}; ask for fewer trailing sessions, or start later"
        raise _refusal("session_data_config.historical", message) from error


def _streams(config: SessionConfig, source: BarSource, demand: Demand) -> tuple[Stream, ...]:
    symbols = config.session_data_config.symbols
    stored = {symbol: source.stored_intervals(symbol) for symbol in symbols}
    absent = [symbol for symbol, intervals in stored.items() if not intervals]
    if absent:
        raise DataError(_no_data(absent, source, config.catalog_path))
    parsed = {symbol: tuple(map(Interval.parse, texts)) for symbol, texts in stored.items()}
    decided = decide_streams(symbols, tuple(demand.requests()), parsed)
    streams = with_gap_sources(config, decided, parsed)
    _check_something_served(streams, config.catalog_path)
    return streams


def _no_data(absent: list[str], source: BarSource, catalog: Path) -> str:
    there = source.symbols()
    held = f"it holds {listed(there)}" if there else "it holds no symbol"
    return (
        f"{catalog} has no bars of {listed(absent)}; {held}. "
        "Import the data, correct session_data_config.symbols, or name another catalog in catalog.path"
    )


def _check_something_served(streams: tuple[Stream, ...], catalog: Path) -> None:
    served = {stream.symbol for stream in streams if stream.label != "IGNORED"}
    reasons = [
        f"\n  {stream.symbol} {stream.interval}: {stream.reason}"
        for stream in streams
        if stream.symbol not in served
    ]
    if reasons:
        found = "".join(reasons)
        raise DataError(
            f"{catalog} holds nothing that these streams can be made of:{found}\n"
            "Import shorter bars, or change session_data_config.streams"
        )


def _check_served(demand: Demand, streams: tuple[Stream, ...]) -> None:
    """Refuse a plan that ignores what a strategy or an indicator cannot do without."""
    problems = tuple(
        Problem(reader.where, f"{reader.name} needs {stream.interval} of {stream.symbol}: {stream.reason}")
        for reader in demand.readers
        for stream in streams
        if stream.label == "IGNORED" and Interval.parse(stream.interval) in reader.intervals
    )
    problems += tuple(unserved(demand.historical, streams))
    if problems:
        raise ConfigError(None, problems)


def _warmups(
    indicators: Iterable[IndicatorSpec], served: tuple[Stream, ...], inventory: Inventory
) -> Iterator[Warmup]:
    for spec in indicators:
        needed, unit = bars_needed(spec), unit_needed(spec)
        held = inventory.history_bars if unit == "bars" else _history_sessions(served, inventory)
        for stream in served:
            if stream.interval == spec.interval:
                yield Warmup(spec.key, stream.symbol, needed, held[stream.id], unit)


def _history_sessions(served: tuple[Stream, ...], inventory: Inventory) -> Mapping[int, int]:
    """Count for every stream the sessions before the run that have a bar, and that it is sure to see."""
    held = {(stored.stream, stored.session) for stored in inventory.stored if stored.on_grid}
    return {
        stream.id: sum(
            (base.id, session) in held for session in range(-stream.history_sessions - base.lead_sessions, 0)
        )
        for stream in served
        for base in (stream if stream.base is None else served[stream.base],)
    }


def _warmup_warnings(warmups: Iterable[Warmup]) -> Iterator[str]:
    for text in cold_starts(warmups):
        yield f"{text}; a longer window in session_data_config.historical.data warms it up"


def _reader_warnings(config: SessionConfig) -> Iterator[str]:
    if configured_indicators(config) and not config.session_data_config.strategies:
        yield "session_data_config.indicators.session: there is no strategy that could read them"


def _without_folder(target: str) -> str:
    place, _, name = target.rpartition(":")
    return f"{PurePath(place).name}:{name}" if place.endswith(".py") else target


def _refusal(where: str, message: str) -> ConfigError:
    return ConfigError(None, (Problem(where, message),))
