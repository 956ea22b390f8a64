"""What the historical indicators of a configuration ask of a plan: streams, and sessions before the run."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

import msgspec

from actors.config import SessionConfig
from actors.domain.calendar_table import CalendarTable, trailing_depth
from actors.domain.clock_grid import regular_minutes
from actors.domain.errors import ConfigError, Problem
from actors.domain.session_plan import HistoricalSpec, Session, Stored, Stream, Warmup
from actors.supervisor.warmups import cold_starts

MOST_MINUTES: Final = 2_097_152
"""Values by minute for one session, at most: 16 MB, a quarter of what a message may have."""
_DATA: Final = "session_data_config"


class Wanted(NamedTuple):
    """A historical indicator, and its JSON path."""

    where: str
    spec: HistoricalSpec


def wanted_figures(config: SessionConfig) -> tuple[Wanted, ...]:
    """List the configuration's historical indicators."""
    return (*_named(config), *_known(config))


def unserved(wanted: Iterable[Wanted], streams: Iterable[Stream]) -> Iterator[Problem]:
    """Say which of them lack the bars they are computed from."""
    ignored = {(stream.symbol, stream.interval): stream for stream in streams if stream.label == "IGNORED"}
    for where, spec in wanted:
        for symbol in spec.symbols:
            stream = ignored.get((symbol, spec.interval))
            if stream is not None:
                needs = f"historical indicator {spec.key} needs {spec.interval} of {symbol}"
                yield Problem(where, f"{needs}: {stream.reason}")


def check_figures(wanted: Iterable[Wanted], sessions: Iterable[Session]) -> None:
    """Make sure that what is computed for one session fits into one message.

    Raises ConfigError.
    """
    by_minute = [spec for _, spec in wanted if spec.by_minute]
    if not by_minute:
        return
    arrays = sum(len(spec.symbols) for spec in by_minute)
    minutes = max(len(regular_minutes(session)) for session in sessions)
    if arrays * minutes > MOST_MINUTES:
        message = (
            f"indicators by minute have {arrays * minutes:,} values a session, more than {MOST_MINUTES:,}; "
            "use fewer of them, or fewer symbols in apply_to"
        )
        raise ConfigError(None, (Problem(f"{_DATA}.historical.indicators", message),))


def depths(
    specs: Iterable[HistoricalSpec], streams: Iterable[Stream], table: CalendarTable, first: date
) -> Mapping[int, int]:
    """Count for every base stream how many sessions before the first of the run must be read."""
    served = {
        (stream.symbol, stream.interval): stream.id if stream.base is None else stream.base
        for stream in streams
        if stream.label != "IGNORED"
    }
    found: dict[int, int] = {}
    for spec in specs:
        depth = trailing_depth(table, first, spec.sessions_needed, skip_halves=spec.skip_early_close)
        for symbol in spec.symbols:
            base = served[symbol, spec.interval]
            found[base] = max(depth, found.get(base, 0))
    return found


def deepened(streams: Iterable[Stream], sessions: Mapping[int, int]) -> tuple[Stream, ...]:
    """Have streams read at least so many sessions before the run's first; what they keep stays as it is."""
    return tuple(
        msgspec.structs.replace(
            stream,
            lead_sessions=max(stream.lead_sessions, sessions.get(stream.id, 0) - stream.history_sessions),
        )
        for stream in streams
    )


def figure_warmups(
    specs: Iterable[HistoricalSpec],
    served: tuple[Stream, ...],
    stored: Iterable[Stored],
    history: tuple[Session, ...],
) -> Iterator[Warmup]:
    """Count for every symbol the sessions of its first window that have a bar."""
    held = {(holding.stream, holding.session) for holding in stored if holding.on_grid}
    base = {
        (stream.symbol, stream.interval): stream.id if stream.base is None else stream.base
        for stream in served
    }
    for spec in specs:
        usable = [day.index for day in history if not (spec.skip_early_close and day.kind == "half")]
        window = usable[-spec.sessions_needed :]
        for symbol in spec.symbols:
            has = sum((base[symbol, spec.interval], session) in held for session in window)
            yield Warmup(spec.key, symbol, spec.sessions_needed, has, "sessions")


def figure_warnings(warmups: Iterable[Warmup]) -> Iterator[str]:
    """Say which have no value for the first session."""
    for text in cold_starts(warmups):
        yield f"{text}; import the bars of those sessions, or choose a shorter period"


def _named(config: SessionConfig) -> Iterator[Wanted]:
    data = config.session_data_config
    for name, indicator in data.historical.indicators.items():
        spec = HistoricalSpec(
            key=name,
            kind=indicator.type,
            sessions=indicator.sessions,
            symbols=_symbols(indicator.apply_to, data.symbols),
            field=indicator.field,
            by_minute=indicator.granularity == "minute",
            skip_early_close=indicator.skip_early_close,
        )
        yield Wanted(f"{_DATA}.historical.indicators.{name}", spec)


def _known(config: SessionConfig) -> Iterator[Wanted]:
    data = config.session_data_config
    for index, figure in enumerate(data.indicators.historical):
        spec = HistoricalSpec(
            key=figure.key,
            kind=figure.name,
            sessions=figure.sessions,
            symbols=_symbols(figure.apply_to, data.symbols),
            skip_early_close=figure.skip_early_close,
        )
        yield Wanted(f"{_DATA}.indicators.historical[{index}]", spec)


def _symbols(apply_to: str | tuple[str, ...], symbols: tuple[str, ...]) -> tuple[str, ...]:
    return symbols if isinstance(apply_to, str) else apply_to
