"""Whole sessions that storage lacks: why a run does not start, or what it leaves out."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from msgspec import structs

from actors.config import SessionConfig
from actors.domain.errors import DataError
from actors.domain.session_plan import Session, Stored, Stream
from actors.supervisor.wording import listed

_DATES_SHOWN: Final = 5
_LINES_SHOWN: Final = 20
Sessions = Mapping[int, Collection[int]]
"""Session indexes by stream id."""
Left = Mapping[str, Collection[int]]
"""The sessions that each symbol would be left out of; symbols that lack nothing are not in it."""


class Absence(NamedTuple):
    """What a run leaves out."""

    skipped: Mapping[int, tuple[int, ...]]
    """Of STREAMED streams, by id, the sessions of the run that are not read."""
    warnings: tuple[str, ...]

    def mark(self, streams: Iterable[Stream]) -> tuple[Stream, ...]:
        """Tell the streams what they skip."""
        return tuple(structs.replace(stream, skipped=self.skipped.get(stream.id, ())) for stream in streams)

    def trim(self, stored: Iterable[Stored]) -> tuple[Stored, ...]:
        """Leave out what is not read, and so not expected."""
        return tuple(held for held in stored if held.session not in self.skipped.get(held.stream, ()))


def settle_absence(
    config: SessionConfig,
    streams: tuple[Stream, ...],
    stored: Iterable[Stored],
    sessions: tuple[Session, ...],
) -> Absence:
    """Decide what becomes of sessions of the run in which a STREAMED stream has no bar on the grid.

    A symbol is left out of them with all its streams, where `catalog.on_missing` is "skip". Raises DataError,
    which lists what is missing, where it is not, and where a symbol or a session would have nothing left.
    """
    absent = _absent(stored, sessions)
    if not absent:
        return Absence({}, ())
    left = _left(streams, absent)
    obstacles = list(_obstacles(streams, left, sessions))
    if obstacles or config.catalog.on_missing == "fail":
        lines = _shortened(_lines(streams, absent, sessions), "  ")
        advice = _advice(obstacles)
        raise DataError(f"{config.catalog_path} has no bars for these sessions:\n{lines}\n{advice}")
    skipped = {stream.id: tuple(sorted(left[stream.symbol])) for stream in _base(streams, left)}
    return Absence(skipped, tuple(_warnings(streams, absent, skipped, sessions)))


def history_warnings(
    streams: tuple[Stream, ...], stored: Iterable[Stored], history: tuple[Session, ...]
) -> tuple[str, ...]:
    """Name the streams that lack whole sessions of their history."""
    lines = _lines(streams, _absent(stored, history), history)
    return tuple(f"no stored history of {line}" for line in lines)


def _absent(stored: Iterable[Stored], sessions: tuple[Session, ...]) -> Sessions:
    """Find for every stream those of the sessions in which it has no bar on the grid."""
    asked = {session.index for session in sessions}
    absent: dict[int, list[int]] = {}
    for holding in stored:
        if holding.session in asked and not holding.on_grid:
            absent.setdefault(holding.stream, []).append(holding.session)
    return absent


def _left(streams: tuple[Stream, ...], absent: Sessions) -> Left:
    left: dict[str, set[int]] = {}
    for id_, lacking in absent.items():
        left.setdefault(streams[id_].symbol, set()).update(lacking)
    return left


def _base(streams: Iterable[Stream], symbols: Collection[str]) -> Iterator[Stream]:
    return (stream for stream in streams if stream.label == "STREAMED" and stream.symbol in symbols)


def _obstacles(streams: tuple[Stream, ...], left: Left, sessions: tuple[Session, ...]) -> Iterator[str]:
    """Say why leaving out is no way: what remains is no run."""
    symbols = {stream.symbol for stream in streams}
    bare = [symbol for symbol, lacking in left.items() if len(lacking) == len(sessions)]
    empty = [
        session.date
        for session in sessions
        if all(session.index in left.get(symbol, ()) for symbol in symbols)
    ]
    if bare and len(bare) < len(symbols):
        yield f"remove {listed(bare)} from session_data_config.symbols: no session of the run has the bars"
    if empty:
        yield f"there is nothing to replay on {listed(empty, _DATES_SHOWN)}"


def _advice(obstacles: list[str]) -> str:
    ways = "import them, or change backtest_config.start_date and end_date or session_data_config.symbols"
    if obstacles:
        return "\n".join([ways, *obstacles])
    return f'{ways},\nor set catalog.on_missing to "skip" to leave each symbol out of the sessions it lacks'


def _warnings(
    streams: tuple[Stream, ...], absent: Sessions, skipped: Sessions, sessions: tuple[Session, ...]
) -> Iterator[str]:
    """Say what is left out, first what a stream lacks itself, then what it skips for another one's sake."""
    for id_, left in skipped.items():
        symbol, interval = streams[id_].symbol, streams[id_].interval
        own = absent.get(id_, ())
        others = [index for index in left if index not in own]
        if own:
            yield f"{symbol} {interval}: left out of {_dates(own, sessions)} (nothing stored)"
        if others:
            lacking = [streams[other].interval for other in absent if streams[other].symbol == symbol]
            reason = f"no {listed(text for text in lacking if text != interval)} bars stored"
            yield f"{symbol} {interval}: left out of {_dates(others, sessions)} ({reason})"


def _lines(streams: tuple[Stream, ...], absent: Sessions, sessions: tuple[Session, ...]) -> list[str]:
    return [
        f"{streams[id_].symbol} {streams[id_].interval}: {_dates(lacking, sessions)}"
        for id_, lacking in absent.items()
    ]


def _dates(indexes: Iterable[int], sessions: tuple[Session, ...]) -> str:
    dates = {session.index: session.date for session in sessions}
    return listed((dates[index] for index in indexes), _DATES_SHOWN)


def _shortened(lines: list[str], indent: str) -> str:
    rest = len(lines) - _LINES_SHOWN
    shown = lines[:_LINES_SHOWN] + ([f"and {rest} more streams"] if rest > 0 else [])
    return "\n".join(f"{indent}{line}" for line in shown)
