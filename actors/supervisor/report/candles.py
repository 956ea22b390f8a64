"""Candles of all symbols and intervals, as many as there is room for.

Longer intervals come first, and in an interval those symbols of which there is most to say. What does not fit
is named in `left_out`; where not even the longest interval fits, its bars are joined to longer ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from actors.domain.errors import DataError
from actors.domain.intervals import NS_PER_S, Interval
from actors.results import Run
from actors.results.columns import Column, columns_of
from actors.supervisor.report.folding import FACTORS, fold
from actors.supervisor.report.local_axis import LocalAxis
from actors.supervisor.report.packing import packed_candles, packed_series, packed_times

Json = dict[str, Any]
BYTES_PER_BAR: Final = 24
"""About what a packed bar takes."""
OVERLAYS: Final = (
    "bbands", "dema", "donchian", "ema", "high_low", "hma", "keltner", "pivot_points", "sma", "swing_high",
    "swing_low", "tema", "twap", "vwap", "wma",
)  # fmt: skip
"""Indicators that are prices and are drawn over the candles; others have a pane of their own."""


class Scale(NamedTuple):
    """One kind of candles on the page."""

    name: str
    """As it is called there: `5m`, or `5m` times 15 where 15 of them are joined."""
    stored: str
    """The interval that it is made of."""
    length_ns: int | None
    """What is joined: None for all bars of a session, 0 for nothing."""


class Room:
    """How many bytes are left."""

    def __init__(self, size_bytes: int) -> None:
        """Begin with all of it."""
        self.left_bytes = size_bytes

    def take(self, content: Json) -> bool:
        """Give room to a part, or say that there is not enough."""
        needed = len(msgspec.json.encode(content)) + 1
        if needed > self.left_bytes:
            return False
        self.left_bytes -= needed
        return True


def build_candles(run: Run, symbols: Sequence[str], axis: LocalAxis, size_bytes: int) -> Json | None:
    """Pack what fits; `symbols` are by weight. None where the run has no bars to show."""
    room, left_out = Room(size_bytes), list[Json]()
    scales: list[Json] = []
    for scale in _scales(run, symbols, size_bytes):
        served = [symbol for symbol in symbols if (symbol, scale.stored) in run.streams]
        streams, rest = _fitting(run, scale, served, axis, room)
        if rest:
            left_out.append({"interval": scale.name, "symbols": rest, "of": len(rest) + len(streams)})
        if streams:
            indicators = _add_indicators(run, scale, streams, room)
            left_out += [{"interval": scale.name, "indicator": name} for name in indicators]
            length_s = Interval.parse(scale.stored).length_ns // NS_PER_S
            scales.append({"interval": scale.name, "length_s": length_s, "streams": streams})
    if not scales:
        return None
    shown = {symbol for scale in scales for symbol in scale["streams"]}
    return {
        "first": next(symbol for symbol in symbols if symbol in shown),
        "symbols": [symbol for symbol in run.plan["symbols"] if symbol in shown],
        "scales": scales,
        "left_out": left_out,
    }


def stored_bars(run: Run, symbol: str, interval: str) -> dict[str, Column]:
    """Read the bars of one stream; no columns where there are none."""
    try:
        columns = columns_of(run.bars(symbol, interval))
    except DataError:
        return {}
    return columns if len(columns["open_ts"]) else {}


def _scales(run: Run, symbols: Sequence[str], size_bytes: int) -> Iterator[Scale]:
    """Give all intervals with bars, longest first; bars that are joined before them, where needed."""
    longest = True
    for interval in sorted({Interval.parse(interval) for _, interval in run.streams}, reverse=True):
        served = [symbol for symbol in symbols if (symbol, str(interval)) in run.streams]
        columns = next(filter(None, (stored_bars(run, symbol, str(interval)) for symbol in served)), None)
        if columns is None:
            continue
        if longest and len(columns["open_ts"]) * len(served) * BYTES_PER_BAR > size_bytes:
            yield _joined(interval, columns, size_bytes // len(served) // BYTES_PER_BAR)
        yield Scale(str(interval), str(interval), 0)
        longest = False


def _joined(interval: Interval, columns: Mapping[str, Column], most: int) -> Scale:
    for factor in FACTORS:
        length_ns = factor * interval.length_ns
        if len(fold(columns, length_ns)["open_ts"]) <= most:
            return Scale(f"{interval} \u00d7 {factor}", str(interval), length_ns)
    return Scale("session", str(interval), None)


def _fitting(
    run: Run, scale: Scale, symbols: Sequence[str], axis: LocalAxis, room: Room
) -> tuple[dict[str, Json], list[str]]:
    """Pack the symbols one after the other while there is room; give the rest by name."""
    streams: dict[str, Json] = {}
    for place, symbol in enumerate(symbols):
        stream = _packed(run, scale, symbol, axis)
        if stream is None:
            continue
        if not room.take(stream):
            return streams, list(symbols[place:])
        streams[symbol] = stream
    return streams, []


def _packed(run: Run, scale: Scale, symbol: str, axis: LocalAxis) -> Json | None:
    columns = stored_bars(run, symbol, scale.stored)
    if not columns:
        return None
    if scale.length_ns != 0:
        columns = fold(columns, scale.length_ns)
    marked = np.flatnonzero(columns["flags"])
    marks = np.column_stack([marked, *(columns[name][marked] for name in ("flags", "n_base", "n_expected"))])
    return {
        "time": packed_times(axis.seconds(columns["session"], columns["open_ts"])),
        **packed_candles(columns),
        "marks": marks.astype(np.int64).tolist(),
    }


def _add_indicators(run: Run, scale: Scale, streams: dict[str, Json], room: Room) -> list[str]:
    """Add what there is room for to the streams; give the names of what is left out."""
    left_out: dict[str, None] = {}
    tables = [name for name in run.tables if name.startswith("indicators/")] if scale.length_ns == 0 else []
    for table in tables:
        _, strategy, interval = table.split("/")
        if interval == scale.stored:
            columns = columns_of(run.table(table))
            for symbol, stream in streams.items():
                found = _series_of(columns, symbol, stored_bars(run, symbol, interval)["close_ts"])
                for name, values in found:
                    series = {"strategy": strategy, "name": name, "pane": pane_of(name), **values}
                    if room.take(series):
                        stream.setdefault("indicators", []).append(series)
                    else:
                        left_out[name] = None
    return list(left_out)


def _series_of(columns: Mapping[str, Column], symbol: str, closes: Column) -> Iterator[tuple[str, Json]]:
    """Give each indicator of a symbol, a value for each of its bars."""
    rows = np.flatnonzero((columns["symbol"] == symbol) & np.isin(columns["event_ts"], closes))
    places = np.searchsorted(closes, columns["event_ts"][rows])
    for name, column in columns.items():
        if name not in ("session", "event_ts", "symbol"):
            values = np.full(len(closes), np.nan)
            values[places] = column[rows]
            yield name, packed_series(values)


def pane_of(name: str) -> str:
    """Name the pane of an indicator's series: `macd_5m` of `macd_5m.signal`; none for what is a price."""
    key = name.partition(".")[0]
    is_price = any(key == overlay or key.startswith(f"{overlay}_") for overlay in OVERLAYS)
    return "" if is_price else key
