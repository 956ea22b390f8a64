"""The screens of stored data: what a catalog holds, and what a check of it finds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from actors.domain.local_time import local_stamp
from actors.runtime.store import StreamHolding
from actors.supervisor.check_document import utc_text
from actors.supervisor.check_tally import CheckTally, Found, FoundDefect, FoundGap, StreamTotals
from actors.supervisor.console.layout import Cell, facts, section, table
from actors.supervisor.console.text import DASH, WHOLE, clean, count, listing, percent, plural
from actors.supervisor.data_check import StreamCheck, Unchecked

STREAMS_SHOWN: Final = 20
"""Of more checked streams than this the ones with the lowest score are shown."""
DEFECT_WORDS: Final = {
    "duplicate_same": "same",
    "duplicate_conflict": "conflicting",
    "out_of_order": "out of order",
    "off_grid": "off grid",
    "outside_session": "outside",
    "bad_ohlc": "bad OHLC",
    "jump": "jump",
}
NOTES: Final = ("source", "label", "adjustment", "calendar")
"""What is shown of what is written beside the rows."""


def print_holdings(console: Console, catalog: Path, holdings: Sequence[StreamHolding]) -> None:
    """Print what a catalog holds."""
    console.print(render_holdings(catalog, holdings))


def render_holdings(catalog: Path, holdings: Sequence[StreamHolding]) -> RenderableType:
    """Draw a row for every stream, and the files that cannot be read."""
    symbols = len({holding.symbol for holding in holdings})
    rows, files = (sum(column) for column in zip(*((h.rows, h.files) for h in holdings), strict=True))
    size = _size(sum(holding.size_bytes for holding in holdings))
    remark = f"{plural(symbols, 'symbol')}, {plural(rows, 'row')} in {plural(files, 'file')}, {size}"
    headers = ("stream", "first open", "last open", ">rows", ">files", ">size")
    damage = [line for holding in holdings for line in holding.damage]
    return Group(
        section(clean(catalog), remark, table(headers, (_holding_row(holding) for holding in holdings))),
        section("Origin", "", facts(_origins(holdings))),
        section("Files that cannot be read", "", *(Text(clean(line), style="red") for line in damage)),
        Text(),
    )


def print_check(console: Console, tally: CheckTally, min_score: float | None) -> None:
    """Print what a check found."""
    console.print(render_check(tally, min_score))


def render_check(tally: CheckTally, min_score: float | None) -> RenderableType:
    """Draw the totals, the worst sessions, and the first gaps and defects."""
    return Group(
        _totals(tally, min_score),
        _unchecked(tally.unchecked),
        _splits(tally),
        _worst_sessions(tally),
        _gaps(tally),
        _defects(tally),
        Text(),
    )


def _holding_row(holding: StreamHolding) -> Sequence[Cell]:
    return (
        _name(holding),
        _stamp(holding.first_ns),
        _stamp(holding.last_ns),
        count(holding.rows),
        count(holding.files),
        _size(holding.size_bytes),
    )


def _origins(holdings: Iterable[StreamHolding]) -> Iterator[tuple[str, Cell]]:
    """Put streams that say the same of themselves on one line."""
    groups: dict[str, list[StreamHolding]] = defaultdict(list)
    for holding in holdings:
        groups[", ".join(f"{name} {_note(holding, name)}" for name in NOTES)].append(holding)
    for origin, group in groups.items():
        intervals = " ".join(dict.fromkeys(holding.interval for holding in group))
        symbols = listing(tuple(dict.fromkeys(holding.symbol for holding in group)), 4)
        is_synthetic = any("true" in holding.notes.get("synthetic", ()) for holding in group)
        mark = ("SYNTHETIC  " if is_synthetic else "", "yellow")
        yield f"{symbols} {intervals}", Text.assemble(mark, origin)


def _note(holding: StreamHolding, name: str) -> str:
    values = holding.notes.get(name, ())
    return " / ".join(clean(value, 100) for value in values) or "unknown"


def _stamp(instant_ns: int | None) -> str:
    """Write 2025-07-02 13:30Z, with seconds where there are any."""
    if instant_ns is None:
        return DASH
    return utc_text(instant_ns).replace("T", " ").replace(":00Z", "Z")


def _size(size_bytes: int) -> str:
    """Write 870 B, 4.1 kB, 12 MB or 1.2 GB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= size:
            return f"{size_bytes / size:.{0 if size_bytes >= 10 * size else 1}f} {unit}"
    return f"{size_bytes} B"


def _totals(tally: CheckTally, min_score: float | None) -> RenderableType:
    streams = tally.streams
    sessions = sum(totals.sessions for totals in streams)
    rows = sum(totals.rows for totals in streams)
    remark = f"{plural(len(streams), 'stream')}, {plural(sessions, 'session')}, {plural(rows, 'row')}"
    shown = {id(totals) for totals in sorted(streams, key=lambda totals: totals.score)[:STREAMS_SHOWN]}
    lines = [_total_row(totals, min_score) for totals in streams if id(totals) in shown]
    headers = ("stream", ">sessions", ">expected", ">delivered", ">missing", ">score", ">gaps", "defects")
    return section(
        *("Stored data", remark),
        facts((span, "") for span in _spans(streams)),
        *([table(headers, lines)] if lines else []),
        *_more(len(streams) - len(lines), "streams"),
        *_strays(tally),
    )


def _spans(streams: Iterable[StreamTotals]) -> Iterable[str]:
    """Name the calendars, and the first and the last session of each."""
    days: dict[str, list[date]] = defaultdict(list)
    for totals in streams:
        days[f"{totals.check.table.name} ({totals.check.table.timezone})"] += totals.check[3:5]
    return (f"{name}  {min(found)} … {max(found)}" for name, found in days.items())


def _strays(tally: CheckTally) -> Iterator[Text]:
    beside = sum(max(totals.check.stored_rows - totals.rows, 0) for totals in tally.streams)
    if beside:
        yield Text(f"{plural(beside, 'stored row')} outside of these sessions not looked at", style="dim")


def _total_row(totals: StreamTotals, min_score: float | None) -> Sequence[Cell]:
    low = min_score is not None and totals.score < min_score
    return (
        _name(totals.check),
        count(totals.sessions),
        count(totals.expected),
        count(totals.delivered),
        _count_cell(totals.counted["missing"]),
        Text(percent(totals.rounded_score), style=_score_style(totals.score, low=low)),
        count(totals.gaps),
        _defect_words(totals.counted),
    )


def _defect_words(counted: Mapping[str, int]) -> str:
    """Write 1 same, 2 off grid."""
    return ", ".join(f"{counted[kind]:,} {word}" for kind, word in DEFECT_WORDS.items() if counted[kind])


def _score_style(score: float, *, low: bool) -> str:
    return "bold red" if low else "yellow" if score < WHOLE else ""


def _count_cell(value: int) -> Text:
    return Text(count(value), style="yellow" if value else "dim")


def _unchecked(unchecked: Iterable[Unchecked]) -> RenderableType:
    lines = [Text(f"{_name(entry)}: {clean(entry.reason)}", style="red") for entry in unchecked]
    return section("Not checked", "", *lines[:STREAMS_SHOWN], *_more(len(lines) - STREAMS_SHOWN, "streams"))


def _worst_sessions(tally: CheckTally) -> RenderableType:
    kept, found = tally.worst.kept, tally.worst.count
    if not found:
        return section("Sessions", "nothing is missing and nothing is wrong" if tally.streams else "")
    headers = (">session", "", "stream", ">delivered", ">missing", ">score", ">gaps", "defects")
    shown = table(headers, (_session_row(each) for each in kept))
    more = _more(found - len(kept), "sessions")
    return section("Sessions", f"{found:,} with findings, the worst first", shown, *more)


def _session_row(found: Found) -> Sequence[Cell]:
    check, verdict = found
    quality = verdict.quality
    return (
        verdict.session.date,
        Text("half" if verdict.session.kind == "half" else "", style="yellow"),
        _name(check),
        f"{count(quality.received)}/{count(quality.expected)}",
        _count_cell(quality.missing),
        Text(percent(quality.score), style=_score_style(quality.score, low=False)),
        count(len(verdict.gaps)),
        _defect_words({kind: getattr(quality, kind) for kind in DEFECT_WORDS}),
    )


def _splits(tally: CheckTally) -> RenderableType:
    kept, found = tally.splits.kept, tally.splits.count
    if not found:
        return Group()
    shown = facts((f"{_name(each.check)}  {each.date}", f"{each.split}") for each in kept)
    return section("Suspected splits", f"{found:,}", shown, *_more(found - len(kept), "splits"))


def _gaps(tally: CheckTally) -> RenderableType:
    kept, found = tally.gaps.kept, tally.gaps.count
    if not found:
        return Group()
    headers = ("stream", ">from", ">to", ">UTC", ">missing")
    shown = table(headers, (_gap_row(each) for each in kept))
    return section("Gaps", f"{found:,}", shown, *_more(found - len(kept), "gaps"))


def _gap_row(found: FoundGap) -> Sequence[Cell]:
    check, gap = found
    begin, end = (_local(check.table.timezone, instant) for instant in (gap.from_ts, gap.to_ts))
    utc = f"{utc_text(gap.from_ts)[11:]} to {utc_text(gap.to_ts)[11:]}"
    same_day = begin[:10] == end[:10]
    return (
        _name(check),
        begin,
        end[11:] if same_day else end,
        utc,
        count(gap.count),
    )


def _defects(tally: CheckTally) -> RenderableType:
    found = tally.defects
    if not found.count:
        return Group()
    shown = facts(_defect_row(each) for each in found.kept)
    return section("Defects", f"{found.count:,}", shown, *_more(found.rest, "defects"))


def _defect_row(found: FoundDefect) -> tuple[str, Cell]:
    check, defect = found
    opening = _local(check.table.timezone, defect.open_ts)
    what = clean(f"{defect.kind}: {defect.detail} ({defect.span} of {defect.file})", 600)
    return f"{_name(check)}  {opening}", what


def _name(stream: StreamHolding | StreamCheck | Unchecked) -> str:
    return f"{clean(stream.symbol, 32)} {stream.interval}"


def _local(timezone: str, instant_ns: int) -> str:
    """Write 2025-07-02 11:15:00 as the exchange's clocks say."""
    return local_stamp(instant_ns, timezone)[:19].replace("T", " ")


def _more(rest: int, what: str) -> Iterator[Text]:
    if rest > 0:
        yield Text(f"… and {rest:,} more {what}; --json lists all", style="dim")
