"""The screen after a run: the verdict first, then the figures of `summary.json`, then where the files are.

A figure that the summary lacks, or holds as null, is shown as a dash.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from actors.supervisor.console.layout import Cell, facts, section, table
from actors.supervisor.console.text import (
    DASH,
    WHOLE,
    clean,
    compact,
    count,
    memory,
    percent,
    plural,
    seconds,
    short,
    simulated_time,
    weekday,
)
from actors.supervisor.summary import BAR_COUNTS, FILLED

Summary = Mapping[str, Any]
VERDICTS: Final = {
    "done": ("✔", "bold green"),
    "failed": ("✘", "bold red"),
    "interrupted": ("■", "bold yellow"),
}
SESSIONS_SHOWN: Final = 9
SYMBOLS_SHOWN: Final = 20
LOG_LINES_SHOWN: Final = 15
STACK_LINES_SHOWN: Final = 12
WARNINGS_SHOWN: Final = 20
PHASE_SHOWN_S: Final = 0.005
"""Phases shorter than this are left out."""
DEFECTS: Final = ("missing", "duplicates", "rejected")


def print_summary(console: Console, summary: Summary, run_folder: Path) -> None:
    """Print what a run came to."""
    console.print(render_summary(summary, run_folder))


def render_summary(summary: Summary, run_folder: Path) -> RenderableType:
    """Draw the summary, section by section."""
    return Group(
        _verdict(summary),
        _failure(summary),
        _sessions(summary),
        _bars(summary),
        section("Figures", "", facts(_figures(summary))),
        section("Digests", "", facts(_digests(summary))),
        section("Warnings", "", *_warnings(summary)),
        section("Files", "", facts(_files(summary, run_folder))),
        Text(),
    )


def nested(summary: Summary, key: str) -> Summary:
    """Take an object out of a summary; an empty one where there is none."""
    found = summary.get(key)
    return found if isinstance(found, Mapping) else {}


def _verdict(summary: Summary) -> Text:
    status = clean(summary.get("status") or "failed")
    mark, style = VERDICTS.get(status, ("?", "bold yellow"))
    exit_code = summary.get("exit_code")
    rest = f"exit code {DASH if exit_code is None else clean(exit_code)}"
    total_s = nested(summary, "wall_s").get("total")
    if total_s is not None:
        rest += f", {seconds(total_s)}"
    return Text.assemble("\n", (f"{mark} {status}", style), f"  {clean(summary.get('run') or '')}  {rest}")


def _failure(summary: Summary) -> RenderableType:
    """Name the actor, the step, the reason, what to do, and the actor's last log lines."""
    failure = nested(summary, "failure")
    if not failure:
        return Group()
    named = {"actor": "actor", "step": "step", "reason": "reason", "advice": "what to do"}
    told = {**failure, "step": simulated_time(failure.get("step"))}
    rows = [(title, clean(told[key], 2000)) for key, title in named.items() if told.get(key)]
    return section("Failure", "", facts(rows), *_log_tail(failure), *_stack(failure))


def _log_tail(failure: Summary) -> Iterator[Text]:
    tail = failure.get("log_tail") or ()
    lines = tail.splitlines() if isinstance(tail, str) else list(tail)
    if lines:
        yield Text("last log lines", style="dim")
        yield from (Text(clean(f"│ {line}", 1000), style="red") for line in lines[-LOG_LINES_SHOWN:])


def _stack(failure: Summary) -> Iterator[Text]:
    lines = failure.get("stack") or ()
    if lines:
        yield Text("where it was", style="dim")
        yield from (Text(clean(f"│ {line}", 1000), style="red") for line in lines[:STACK_LINES_SHOWN])


def _sessions(summary: Summary) -> RenderableType:
    sessions = summary.get("sessions") or ()
    finished = [session["steps"] for session in sessions if session.get("steps") is not None]
    rows: list[Sequence[Cell]] = [_session_row(session) for session in sessions]
    if len(rows) > SESSIONS_SHOWN:
        rows[4:-4] = [("…", "", "", f"{len(rows) - 8:,} more", "")]
    remark = f"{len(finished):,} of {len(sessions):,} finished, {plural(sum(finished), 'step')}"
    return section("Sessions", remark, *([table(("", "", "", "", ">"), rows)] if rows else []))


def _session_row(session: Summary) -> Sequence[Cell]:
    day = clean(session.get("date") or DASH, 10)
    kind = clean(session.get("kind") or DASH, 12)
    hours = f"{_time_of_day(session.get('open'))}{DASH}{_time_of_day(session.get('close'))}"
    steps = session.get("steps")
    done = Text("not finished", style="dim") if steps is None else plural(steps, "step")
    return day, weekday(day), Text(kind, style="yellow" if kind == "half" else ""), hours, done


def _time_of_day(stamp: str | None) -> str:
    """Take 09:30 out of `2025-07-02T09:30:00-04:00`, or of `09:30:00`."""
    return clean(stamp.partition("T")[2] or stamp)[:5] if stamp else DASH


def _bars(summary: Summary) -> RenderableType:
    bars = nested(summary, "bars")
    shown = _worst(summary, list(bars))
    rows = [_symbol_row(summary, symbol) for symbol in shown]
    if len(shown) < len(bars):
        rows.append(_others_row(summary, [symbol for symbol in bars if symbol not in shown]))
    if len(bars) > 1:
        rows.append(_total_row(summary, list(bars)))
    headers = ("symbol", *(f">{name}" for name in BAR_COUNTS), ">quality", ">gaps")
    return section("Bars", "", *([table(headers, rows)] if rows else []))


def _worst(summary: Summary, symbols: Sequence[str]) -> Sequence[str]:
    """Choose the symbols to show: all, or of many those of lowest quality, in the run's order."""
    if len(symbols) <= SYMBOLS_SHOWN:
        return symbols
    quality = nested(summary, "quality")

    def score(symbol: str) -> float:
        found = quality.get(symbol)
        return -1.0 if found is None else found

    chosen = set(sorted(symbols, key=score)[:SYMBOLS_SHOWN])
    return [symbol for symbol in symbols if symbol in chosen]


def _symbol_row(summary: Summary, symbol: str) -> Sequence[Cell]:
    counts = nested(nested(summary, "bars"), symbol)
    cells = [_count_cell(name, counts.get(name)) for name in BAR_COUNTS]
    score = nested(summary, "quality").get(symbol)
    unchecked = counts.get("expected") is None and score is not None
    quality = Text("assumed", style="dim") if unchecked else _quality_cell(score)
    return clean(symbol, 14), *cells, quality, count(nested(summary, "gaps").get(symbol))


def _quality_cell(score: float | None) -> Text:
    return Text(percent(score), style="yellow" if score is not None and score < WHOLE else "")


def _others_row(summary: Summary, symbols: Sequence[str]) -> Sequence[Cell]:
    return f"{len(symbols):,} others", *_sums(summary, symbols), "", _gap_sum(summary, symbols)


def _total_row(summary: Summary, symbols: Sequence[str]) -> Sequence[Cell]:
    cells = ("total", *_sums(summary, symbols), "", _gap_sum(summary, symbols))
    return [Text(str(cell), style="bold") for cell in cells]


def _sums(summary: Summary, symbols: Sequence[str]) -> Iterator[str]:
    bars = nested(summary, "bars")
    for name in BAR_COUNTS:
        yield _sum(nested(bars, symbol).get(name) for symbol in symbols)


def _gap_sum(summary: Summary, symbols: Sequence[str]) -> str:
    gaps = nested(summary, "gaps")
    return _sum(gaps.get(symbol) for symbol in symbols)


def _sum(values: Iterable[int | None]) -> str:
    """Add what is known up; a dash where nothing is."""
    known = [value for value in values if value is not None]
    return compact(sum(known)) if known else DASH


def _count_cell(name: str, value: int | None) -> Text:
    return Text(count(value), style="yellow" if value and name in DEFECTS else "")


def _figures(summary: Summary) -> Iterator[tuple[str, Cell]]:
    yield from (
        (f"{clean(interval)} bars", _per_symbol(found))
        for interval, found in nested(summary, "derived").items()
    )
    bars = nested(summary, "bars")
    if filled := sum(nested(bars, symbol).get(FILLED) or 0 for symbol in bars):
        yield "filled", f"{plural(filled, 'missing bar')}, rebuilt from finer ones and delivered"
    if suppressed := summary.get("suppressed_derived"):
        yield "suppressed", f"{plural(suppressed, 'derived bar')} below derived.min_coverage"
    yield "signals", _signals(nested(summary, "signals"))
    for name, result in nested(summary, "results").items():
        if isinstance(result, Mapping) and result.get("failure"):
            yield clean(name), Text(_failed_result(result), style="red")
        elif isinstance(result, Mapping) and (result.get("orders") or result.get("refused")):
            yield clean(name), _result(result)
    yield "wall time", _wall(nested(summary, "wall_s"))
    yield "speed", f"{short(summary.get('bars_per_s'))} bars/s"
    yield "peak memory", _memory(nested(summary, "peak_rss_bytes"))
    yield "restarts", count(summary.get("restarts"))


def _digests(summary: Summary) -> Iterator[tuple[str, Cell]]:
    digests = nested(summary, "digest")
    return ((name, clean(digests.get(name) or DASH)) for name in ("data", "stream", "signals"))


def _warnings(summary: Summary) -> Iterator[Text]:
    warnings = summary.get("warnings") or ()
    for warning in warnings[:WARNINGS_SHOWN]:
        yield Text(f"! {clean(warning)}", style="yellow")
    if len(warnings) > WARNINGS_SHOWN:
        yield Text(f"… and {len(warnings) - WARNINGS_SHOWN:,} more in summary.json", style="yellow")


def _per_symbol(counts: Mapping[str, int | None]) -> str:
    """Write how many bars of one interval were derived, and how many per symbol."""
    known = [value for value in counts.values() if value is not None]
    if not known:
        return DASH
    low, high = min(known), max(known)
    each = f"{low:,} each" if low == high else f"{low:,} to {high:,} each"
    return f"{sum(known):,}" + (f" ({each})" if len(known) > 1 else "")


def _signals(signals: Summary) -> str:
    by_strategy = ", ".join(f"{clean(name)} {count(n)}" for name, n in nested(signals, "by_strategy").items())
    return count(signals.get("emitted")) + (f" ({by_strategy})" if by_strategy else "")


def _failed_result(result: Summary) -> str:
    return "failed, without results" if result.get("equity") is None else f"failed; {_result(result)}"


def _result(result: Summary) -> str:
    """Write what a strategy's trading came to in one line."""
    refused = ", ".join(f"{clean(code)} {count(n)}" for code, n in nested(result, "refused").items())
    gain = result.get("total_return")
    return ", ".join(
        [
            f"{count(result.get('approved'))} approved",
            *([f"refused: {refused}"] if refused else []),
            f"{count(result.get('fills'))} fills",
            f"equity {result.get('equity') or 0.0:,.2f}" + (f" ({gain:+.2%})" if gain is not None else ""),
            f"commissions {result.get('commissions') or 0.0:,.2f}",
        ]
    )


def _wall(wall_s: Summary) -> str:
    phases = [
        f"{_phase(name)} {seconds(value)}"
        for name, value in wall_s.items()
        if name != "total" and value is not None and value >= PHASE_SHOWN_S
    ]
    return f"{seconds(wall_s.get('total'))}" + (f": {', '.join(phases)}" if phases else "")


def _phase(name: str) -> str:
    return f"phase {name}" if name.isdigit() else clean(name.replace("_", " "))


def _memory(peak_rss_bytes: Summary) -> str:
    return ", ".join(f"{clean(name)} {memory(size)}" for name, size in peak_rss_bytes.items()) or DASH


def _files(summary: Summary, run_folder: Path) -> Iterator[tuple[str, Cell]]:
    folder = _from_here(run_folder)
    yield "run folder", f"{folder}/"
    yield "in it", "summary.json, logs/, journal/, tables/"
    if summary.get("resume"):
        yield "go on with", f"sessionflow resume {folder}"


def _from_here(path: Path) -> str:
    """Write a path relative to the working folder where it lies below it."""
    here = Path.cwd()
    resolved = path.absolute()
    return clean(resolved.relative_to(here) if resolved.is_relative_to(here) else resolved, 4096)
