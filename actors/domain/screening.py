"""Sort stored rows into the bars that are delivered and the defects that are reported.

1. A row that opens where nobody trades is outside the session; one that opens within it, but not where a bar
   does, is off the grid; one whose values cannot be has bad OHLC. Such rows are rejected, for the first of
   these reasons.
2. Of the other rows with one open stamp the last in file order is delivered; each earlier one is a duplicate
   of it, the same or conflicting. A place on the grid without such a row is missing.
3. A row that stands in storage behind a later stamp is out of order, whatever else it is.
4. A delivered bar whose prices lie too far apart, or too far from the close delivered before it, is a jump.
   Before a session's first bar that is the last close of the session before, and nothing where that one
   delivered no bar; so a session is judged the same wherever a run starts. What looks like a split there is
   said to be suspected (`split_suspicion`).

Every one of these is a defect, listed with its place in storage. Rows outside the session that follow one
another in one file, have nothing else wrong with them and become known with the same step are one defect.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.grid import Instants, expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session
from actors.domain.split_suspicion import least_jump, makes_a_jump, remark, suspected_split
from protocol.blocks import BAR_DTYPE, BarFlag, Bars
from protocol.messages import Defect, DefectKind

Mask = npt.NDArray[np.bool_]
PRICES: Final = ("open", "high", "low", "close")
VALUES: Final = (*PRICES, "volume")
MAX_LABEL: Final = 256
"""How long the texts of a defect may be."""


class StoredRows(NamedTuple):
    """Rows of one stream as they stand in storage, in file order; all columns of shape (n,)."""

    open_ts: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[np.float64]]
    """`open high low close volume`."""
    rows: npt.NDArray[np.int64]
    """Each row's zero-based place in its file."""
    files: tuple[tuple[str, int], ...]
    """The files they are from, in order: name, relative to the catalog, and how many of the rows it gave."""

    def file_of(self, index: int) -> str:
        """Name the file that a row is from."""
        for name, count in self.files:
            if index < count:
                return name
            index -= count
        raise IndexError(index)


class _Finding(NamedTuple):
    """Something wrong with the row at this index, or with that many from it on."""

    row: int
    kind: DefectKind
    detail: str
    rows: int = 1


class Screened(NamedTuple):
    """What one stream delivers in one session."""

    bars: Bars
    defects: tuple[Defect, ...]


class _Grid(NamedTuple):
    """The bars that are expected; columns of shape (n,), ascending."""

    opens: Instants
    closes: Instants
    flags: npt.NDArray[np.uint16]


class _Sorting(NamedTuple):
    """What became of each row; masks and columns of shape (n,), in file order."""

    slots: npt.NDArray[np.intp]
    """The place on the grid of a row that is on it; elsewhere without meaning."""
    outside: Mask
    off_grid: Mask
    bad: Mask
    late: Mask
    """Below a stamp that stands before it in storage."""
    winners: npt.NDArray[np.intp]
    """For each place on the grid the row that is delivered, or -1."""


def screen(
    rows: StoredRows,
    stream_id: int,
    session: Session,
    interval: Interval,
    jump_ratio: float,
    previous_close: float | None = None,
) -> Screened:
    """Sort the rows with `session.previous_close_ns <= open_ts < session.close_ns` into bars and defects.

    Bars come in the order of their open stamps; defects by `known_ts`, then in file order. A defect is known
    with its row's close, but not before the session's first step nor after its last. A bar is a jump where
    its high and low, with the close delivered before it, span a factor of `jump_ratio` or more;
    `previous_close` is the last one of the session before. That a session seems to begin with a split may
    make a jump of a little less.
    """
    grid = _grid(session, interval)
    if len(rows.open_ts) == 0:
        return Screened(np.empty(0, dtype=BAR_DTYPE), ())
    slots = _clean_slots(rows, grid, jump_ratio, previous_close)
    if slots is not None:
        return Screened(_bars(rows, slice(None), slots, stream_id, grid), ())
    sorting = _sort_out(rows, session, grid)
    filled = np.flatnonzero(sorting.winners >= 0)
    delivered = sorting.winners[filled]
    bars = _bars(rows, delivered, filled, stream_id, grid)
    known = _known(rows, sorting, session, interval, grid)
    found = [
        *_findings(rows, sorting),
        *_outside(rows, sorting, known),
        *_jumps(bars, delivered, jump_ratio, previous_close),
    ]
    return Screened(bars, _defects(found, rows, stream_id, known))


@lru_cache(maxsize=32)
def _grid(session: Session, interval: Interval) -> _Grid:
    opens, closes = expected_opens(session, interval), expected_closes(session, interval)
    cut = interval.is_intraday & (closes - opens < interval.length_ns)
    return _Grid(opens, closes, np.where(cut, np.uint16(BarFlag.CLIPPED), np.uint16(0)))


def _clean_slots(
    rows: StoredRows, grid: _Grid, jump_ratio: float, previous_close: float | None
) -> npt.NDArray[np.intp] | slice | None:
    """Find the rows' places on the grid where nothing at all is wrong with them, else give None."""
    columns = rows.columns
    lowest, highest = columns["low"].min(), columns["high"].max()
    if previous_close is not None:
        lowest, highest = min(lowest, previous_close), max(highest, previous_close)
        jump_ratio = least_jump(jump_ratio)
    if not (lowest > 0 and highest < jump_ratio * lowest and highest < np.inf):
        return None
    if not possible(columns).all():
        return None
    if len(rows.open_ts) == len(grid.opens):
        return slice(None) if bool((rows.open_ts == grid.opens).all()) else None
    return _rising_slots(rows.open_ts, grid.opens)


def _rising_slots(stamps: Instants, opens: Instants) -> npt.NDArray[np.intp] | None:
    slots = _nearest(stamps, opens)
    fits = bool((opens[slots] == stamps).all()) and bool((np.diff(slots) > 0).all())
    return slots if fits else None


def _nearest(stamps: Instants, opens: Instants) -> npt.NDArray[np.intp]:
    """Find the place of each stamp on the grid; one that is not on it gets a place of another."""
    return np.minimum(np.searchsorted(opens, stamps), len(opens) - 1)


def possible(columns: Mapping[str, npt.NDArray[np.float64]]) -> Mask:
    """Tell where all five values can be; NaN fails every comparison."""
    low, high, volume = columns["low"], columns["high"], columns["volume"]
    body_low = np.minimum(columns["open"], columns["close"])
    body_high = np.maximum(columns["open"], columns["close"])
    within = (low >= 0) & (low <= body_low) & (body_high <= high) & (high < np.inf)
    return np.asarray(within & (volume >= 0) & (volume < np.inf))


def _bars(
    rows: StoredRows,
    chosen: npt.NDArray[np.intp] | slice,
    slots: npt.NDArray[np.intp] | slice,
    stream_id: int,
    grid: _Grid,
) -> Bars:
    """Make the bars of the chosen rows, which lie in these places on the grid."""
    opens = grid.opens[slots]
    bars = np.empty(len(opens), dtype=BAR_DTYPE)
    bars["stream"] = stream_id
    bars["flags"] = grid.flags[slots]
    bars["n_base"] = bars["n_expected"] = 1
    bars["open_ts"] = opens
    bars["close_ts"] = grid.closes[slots]
    for name in VALUES:
        bars[name] = rows.columns[name][chosen]
    return bars


def _sort_out(rows: StoredRows, session: Session, grid: _Grid) -> _Sorting:
    """Decide for every row whether it is rejected, delivered or replaced."""
    stamps = rows.open_ts
    outside = ~_within(stamps, session)
    slots = _nearest(stamps, grid.opens)
    off_grid = ~outside & (grid.opens[slots] != stamps)
    bad = ~outside & ~off_grid & ~possible(rows.columns)
    valid = np.flatnonzero(~(outside | off_grid | bad))
    winners = np.full(len(grid.opens), -1, dtype=np.intp)
    np.maximum.at(winners, slots[valid], valid)
    late = stamps < np.maximum.accumulate(stamps)
    return _Sorting(slots, outside, off_grid, bad, late, winners)


def _within(stamps: Instants, session: Session) -> Mask:
    inside = np.zeros(len(stamps), dtype=np.bool_)
    for part in session.parts:
        inside |= (stamps >= part.open_ns) & (stamps < part.close_ns)
    return inside


def _findings(rows: StoredRows, sorting: _Sorting) -> list[_Finding]:
    """List what is wrong with single rows, kind by kind."""
    columns = rows.columns
    winner = sorting.winners[sorting.slots]
    replaced = ~(sorting.outside | sorting.off_grid | sorting.bad) & (winner != np.arange(len(winner)))
    same = np.logical_and.reduce([columns[name] == columns[name][winner] for name in VALUES])
    highest = np.maximum.accumulate(rows.open_ts)
    return [
        *_each("duplicate_same", replaced & same, lambda row: f"row {rows.rows[winner[row]]} repeats it"),
        *_each("duplicate_conflict", replaced & ~same, lambda row: _conflict(rows, row, int(winner[row]))),
        *_each("out_of_order", sorting.late, lambda row: f"stored after {_utc(highest[row])}"),
        *_each("off_grid", sorting.off_grid, lambda row: f"no bar opens at {_utc(rows.open_ts[row])}"),
        *_each(
            "bad_ohlc", sorting.bad, lambda row: impossibility({k: float(columns[k][row]) for k in VALUES})
        ),
    ]


def _outside(rows: StoredRows, sorting: _Sorting, known: Instants) -> list[_Finding]:
    """List the rows outside the session, one finding for each stretch of them."""
    found = np.flatnonzero(sorting.outside)
    follows = (np.diff(found) == 1) & (np.diff(rows.rows[found]) == 1)
    follows &= np.diff(np.searchsorted(_file_ends(rows), found, side="right")) == 0
    follows &= np.diff(known[found]) == 0
    follows &= ~(sorting.late[found[1:]] | sorting.late[found[:-1]])
    starts = np.flatnonzero(np.append(len(found) > 0, ~follows))
    sizes = np.diff(starts, append=len(found)).tolist()
    return [
        _Finding(row, "outside_session", _no_trading(rows.open_ts[row : row + size]), size)
        for row, size in zip(found[starts].tolist(), sizes, strict=True)
    ]


def _file_ends(rows: StoredRows) -> npt.NDArray[np.int64]:
    """Give for each file the index behind its last row."""
    return np.cumsum(np.array([count for _, count in rows.files], dtype=np.int64))


def _no_trading(stamps: Instants) -> str:
    if len(stamps) == 1:
        return f"no trading at {_utc(stamps[0])}"
    return f"{len(stamps)} rows, no trading from {_utc(stamps[0])} to {_utc(stamps[-1])}"


def _each(kind: DefectKind, mask: Mask, detail: Callable[[int], str]) -> list[_Finding]:
    return [_Finding(row, kind, detail(row)) for row in np.flatnonzero(mask).tolist()]


def _conflict(rows: StoredRows, row: int, winner: int) -> str:
    """Name the first value in which a row differs from the one that replaced it."""
    name = next(name for name in VALUES if rows.columns[name][row] != rows.columns[name][winner])
    values = rows.columns[name]
    return f"{name} {values[row]}, but {values[winner]} in row {rows.rows[winner]} of {rows.file_of(winner)}"


def impossibility(values: Mapping[str, float]) -> str:
    """Say what about five values cannot be."""
    for name, value in values.items():
        if not 0 <= value < np.inf:
            return f"{name} {value}"
    for above, below in (
        ("high", "low"),
        ("high", "open"),
        ("high", "close"),
        ("open", "low"),
        ("close", "low"),
    ):
        if values[above] < values[below]:
            return f"{above} {values[above]} < {below} {values[below]}"
    raise ValueError(values)


def _utc(instant_ns: np.int64) -> str:
    return f"{np.datetime_as_string(instant_ns.astype('datetime64[ns]'), unit='s')}Z"


def _jumps(
    bars: Bars, delivered: npt.NDArray[np.intp], jump_ratio: float, previous_close: float | None
) -> list[_Finding]:
    """List the delivered bars whose prices lie too far apart, or too far from the close before."""
    before = np.concatenate((bars["open"][:1], bars["close"][:-1]))
    if previous_close is not None:
        before[:1] = previous_close
    high, low = np.maximum(bars["high"], before), np.minimum(bars["low"], before)
    jumps = (low > 0) & (high >= jump_ratio * low)
    split = None
    if previous_close is not None and len(bars):
        opening = float(bars["open"][0])
        split = suspected_split(previous_close, opening)
        jumps[0] |= makes_a_jump(previous_close, opening, jump_ratio)
    return [
        _Finding(int(delivered[at]), "jump", _jump(low[at], high[at], None if at else split))
        for at in np.flatnonzero(jumps).tolist()
    ]


def _jump(low: np.float64, high: np.float64, split: str | None) -> str:
    text = f"from {low} to {high}, {high / low:.2f} times"
    return text if split is None else f"{text}; {remark(split)}"


def _known(
    rows: StoredRows, sorting: _Sorting, session: Session, interval: Interval, grid: _Grid
) -> Instants:
    """Give the instant with which each row becomes known."""
    stray = sorting.outside | sorting.off_grid
    closes = np.where(stray, rows.open_ts + interval.length_ns, grid.closes[sorting.slots])
    return np.clip(closes, grid.closes[0], session.close_ns)


def _defects(
    found: Sequence[_Finding], rows: StoredRows, stream_id: int, known: Instants
) -> tuple[Defect, ...]:
    """Turn findings into defects, by the instant they are known, then in file order, then by kind."""
    order = sorted(found, key=lambda finding: (known[finding.row], finding.row))
    return tuple(
        Defect(
            stream=stream_id,
            kind=finding.kind,
            known_ts=int(known[finding.row]),
            open_ts=int(rows.open_ts[finding.row]),
            file=rows.file_of(finding.row)[-MAX_LABEL:],
            row=int(rows.rows[finding.row]),
            detail=finding.detail[:MAX_LABEL],
            rows=finding.rows,
        )
        for finding in order
    )
