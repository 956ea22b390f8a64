"""All that the report of a run says, as a document that JSON can hold.

Figures are those of summary.json, of the tables and of `docs/statistics.md`; nothing is rounded here but what
is packed for the charts.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.results import Run
from actors.results.traded import Traded
from actors.supervisor.report.candles import build_candles
from actors.supervisor.report.equity import build_equity
from actors.supervisor.report.findings import find
from actors.supervisor.report.gaps import GAPS_LISTED, GAPS_MARKED, Gap, find_gaps
from actors.supervisor.report.heat_map import build_heat_map
from actors.supervisor.report.local_axis import LocalAxis
from actors.supervisor.report.strategies import (
    MARKS_SHOWN,
    TRADES_SHOWN,
    marks_document,
    signals_table,
    strategy_document,
)

Json = dict[str, Any]
PAGE_BYTES: Final = 1_900_000
"""What the page may come to."""
WHOLE: Final = 100.0


def build_document(run: Run, measure: Callable[[Json], int]) -> Json:
    """Gather it all; the candles have what the rest leaves of the page, whose bytes `measure` tells.

    Raises DataError where the run has no summary, or a table cannot be read.
    """
    axis = LocalAxis(run.plan["timezone"], run.plan["sessions"])
    names = [spec["name"] for spec in run.plan["strategies"]]
    traded, gaps = [Traded(run, name) for name in names], find_gaps(run, axis)
    strategies = [strategy_document(one, run, TRADES_SHOWN // len(traded)) for one in traded]
    document = {
        **_head(run),
        "findings": [finding._asdict() for finding in find(run, strategies, traded, gaps)],
        "figures": figures_of(run.summary),
        "strategies": strategies,
        "equity": build_equity(traded, axis),
        "marks": _marks(run, traded, axis),
        "gaps": _gaps(gaps),
        "quality": build_heat_map(run),
        "pipeline": _pipeline(run.summary),
        "config": run.config,
        "digest": run.summary["digest"],
        "candles": None,
    }
    candles = build_candles(run, _by_weight(run, document), axis, PAGE_BYTES - measure(document))
    return {**document, "candles": candles}


def figures_of(summary: Json) -> Json:
    """Sum the run up over its symbols and strategies; what is not known is None."""
    bars, sessions = summary["bars"].values(), summary["sessions"]
    expected, delivered, missing = (
        _sum(counts[n] for counts in bars) for n in ("expected", "delivered", "missing")
    )
    results = [found for found in (summary.get("results") or {}).values() if found]
    return {
        "sessions": len(sessions),
        "sessions_done": sum(session["steps"] is not None for session in sessions),
        "steps": sum(session["steps"] or 0 for session in sessions),
        "expected": expected,
        "delivered": delivered,
        "missing": missing,
        "derived": _sum(count for found in summary["derived"].values() for count in found.values()),
        "quality": WHOLE * (expected - missing) / expected if expected and missing is not None else None,
        "signals": summary["signals"]["emitted"],
        "approved": _sum(found["approved"] for found in results),
        "refused": _sum(sum(found["refused"].values()) for found in results),
        "fills": _sum(found["fills"] for found in results),
        "orders": _sum(found["orders"] for found in results),
    }


def _head(run: Run) -> Json:
    plan, summary = run.plan, run.summary
    return {
        "run": run.name,
        "name": plan["name"],
        "status": summary["status"],
        "exit_code": summary["exit_code"],
        "calendar": plan["calendar"],
        "timezone": plan["timezone"],
        "first_date": plan["first_date"],
        "last_date": plan["last_date"],
        "symbols": plan["symbols"],
        "wall_s": summary["wall_s"]["total"],
    }


def _marks(run: Run, traded: Sequence[Traded], axis: LocalAxis) -> list[Json]:
    signals = signals_table(run)
    return [marks_document(one, signals, axis, MARKS_SHOWN // len(traded)) for one in traded]


def _gaps(gaps: Sequence[Gap]) -> Json:
    marked = [[gap.symbol, gap.interval, gap.begin_s, gap.end_s, gap.bars] for gap in gaps[:GAPS_MARKED]]
    longest = sorted(gaps, key=lambda gap: -gap.bars)[:GAPS_LISTED]
    return {"total": len(gaps), "marked": marked, "longest": [gap._asdict() for gap in longest]}


def _pipeline(summary: Json) -> Json:
    names = ("wall_s", "bars_per_s", "max_lag_s", "restarts", "peak_rss_bytes", "cpu_s")
    return {name: summary.get(name) for name in names}


def _by_weight(run: Run, document: Json) -> list[str]:
    """Order the symbols: those with fills, with signals, with missing bars, then the rest."""
    filled = {row[1] for marks in document["marks"] for row in marks["fills"]}
    signalled = {row[1] for marks in document["marks"] for row in marks["signals"]}
    poor = {gap[0] for gap in document["gaps"]["marked"]}
    return sorted(
        run.plan["symbols"], key=lambda symbol: [symbol not in of for of in (filled, signalled, poor)]
    )


def _sum(values: Any) -> int | None:  # noqa: ANN401  counts, or None for what is not known
    known = [value for value in values if value is not None]
    return sum(known) if known else None
