"""What a reader should know before the figures, in words: what failed, is missing, was refused."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from actors.results import Run
from actors.results.traded import Traded
from actors.supervisor.report.gaps import Gap
from actors.supervisor.report.strategies import refusals
from actors.supervisor.wording import counted, listed

Json = dict[str, Any]
Level = Literal["bad", "warn", "info"]
WHOLE: Final = 100
SYMBOLS_SHOWN: Final = 10
REASONS: Final = {
    "QUALITY": "the symbol's quality was too low",
    "CONFIDENCE": "too little confidence",
    "NOTHING_TO_CLOSE": "there was no position to close",
    "NO_PRICE": "the symbol had no price yet",
    "BUYING_POWER": "beyond max_buying_power",
    "PER_TRADE": "beyond max_per_trade",
    "PER_SYMBOL": "beyond max_per_symbol",
    "OPEN_POSITIONS": "beyond max_open_positions",
}


class Finding(NamedTuple):
    """One thing worth knowing."""

    level: Level
    text: str
    lines: Sequence[str] = ()
    """Log lines that belong to it."""


def find(
    run: Run, strategies: Sequence[Json], traded: Sequence[Traded], gaps: Sequence[Gap]
) -> list[Finding]:
    """List what is worth knowing, the gravest first."""
    found = [
        *_failure(run.summary),
        *_unfinished(run.summary),
        *_quality(run.summary, gaps),
        *_history(run),
        *_streams(run),
        *_refused(traded),
        *_trading(strategies),
        *_rest(run.summary),
    ]
    return sorted(found, key=lambda finding: ("bad", "warn", "info").index(finding.level))


def _failure(summary: Json) -> Iterator[Finding]:
    failure = summary.get("failure")
    if failure is None:
        return
    who = f"{failure['actor']} failed" if failure.get("actor") else "The run failed"
    when = f" at {failure['step']}" if failure.get("step") else ""
    yield Finding(
        "bad",
        f"{who}{when}: {failure['reason']}",
        (*(failure.get("log_tail") or ()), *(failure.get("stack") or ())),
    )
    if failure.get("advice"):
        yield Finding("bad", f"What to do: {failure['advice']}")


def _unfinished(summary: Json) -> Iterator[Finding]:
    open_ = [session["date"] for session in summary["sessions"] if session["steps"] is None]
    if open_:
        yield Finding("bad", f"{counted(len(open_), 'sessions')} not finished: {listed(open_, 5)}")


def _quality(summary: Json, gaps: Sequence[Gap]) -> Iterator[Finding]:
    poor = {
        symbol: score for symbol, score in summary["quality"].items() if score is not None and score < WHOLE
    }
    for symbol in sorted(poor, key=lambda symbol: poor[symbol])[:SYMBOLS_SHOWN]:
        yield Finding("warn", _quality_text(symbol, poor[symbol], summary, gaps))
    if len(poor) > SYMBOLS_SHOWN:
        yield Finding("warn", f"{counted(len(poor) - SYMBOLS_SHOWN, 'more symbols')} below 100% quality")
    for name, verb in (("duplicates", "were there more than once"), ("rejected", "were rejected as faulty")):
        of = {symbol: counts[name] for symbol, counts in summary["bars"].items() if counts.get(name)}
        if of:
            each = listed(f"{symbol} {count:,}" for symbol, count in of.items())
            yield Finding("warn", f"{counted(sum(of.values()), 'stored bars')} {verb} ({each})")


def _quality_text(symbol: str, score: float, summary: Json, gaps: Sequence[Gap]) -> str:
    counts, runs = summary["bars"][symbol], summary["gaps"].get(symbol)
    text = f"{symbol}: quality {min(score, 99.99):.2f}%, "
    text += f"{counts['missing']:,} of {counts['expected']:,} bars missing"
    text += f" in {counted(runs, 'gaps')}" if runs else ""
    longest = max((gap for gap in gaps if gap.symbol == symbol), key=lambda gap: gap.bars, default=None)
    if longest is None:
        return text
    return f"{text}; the longest, {counted(longest.bars, 'bars')}, from {longest.text}"


def _history(run: Run) -> Iterator[Finding]:
    if "history_gaps" in run.tables:
        missing = sum(run.table("history_gaps")["count"].to_pylist())
        if missing:
            yield Finding("warn", f"{counted(missing, 'bars')} missing in the history before the run")


def _streams(run: Run) -> Iterator[Finding]:
    ignored = [stream for stream in run.plan["streams"] if stream["label"] == "IGNORED"]
    for stream in ignored[:SYMBOLS_SHOWN]:
        yield Finding("warn", f"{stream['symbol']} {stream['interval']} was not served: {stream['reason']}")
    for stream in run.plan["streams"]:
        skipped = sum(session >= 0 for session in stream.get("skipped", ()))
        if skipped:
            name = f"{stream['symbol']} {stream['interval']}"
            yield Finding("warn", f"{name} was left out of {counted(skipped, 'sessions')}")


def _refused(traded: Sequence[Traded]) -> Iterator[Finding]:
    for one in traded:
        for code, refused in refusals(one).items():
            why = REASONS.get(code, "refused")
            first = f"; the first time {refused['first']}" if refused["first"] else ""
            text = f"{one.name}: {counted(refused['count'], 'signals')} refused, {code}: {why}{first}"
            yield Finding("warn", text)


def _trading(strategies: Sequence[Json]) -> Iterator[Finding]:
    for strategy in strategies:
        name, unfilled = strategy["name"], strategy["unfilled"]
        if unfilled:
            words = listed(f"{count} {how}" for how, count in unfilled.items())
            yield Finding(
                "info", f"{name}: {counted(sum(unfilled.values()), 'orders')} never filled ({words})"
            )
        if strategy["open"]:
            held = listed(
                f"{trade['side']} {trade['quantity']:g} {trade['symbol']}" for trade in strategy["open"]
            )
            yield Finding("info", f"{name}: still held at the end: {held}")
        if strategy["statistics"] is None:
            yield Finding("warn", f"{name}: no result, the run ended before its tables were written")


def _rest(summary: Mapping[str, Any]) -> Iterator[Finding]:
    if summary.get("suppressed_derived"):
        withheld = counted(summary["suppressed_derived"], "derived bars")
        yield Finding("warn", f"{withheld} held back below derived.min_coverage")
    if summary.get("restarts"):
        yield Finding("warn", f"{counted(summary['restarts'], 'actors')} started again")
    for warning in summary.get("warnings") or ():
        yield Finding("warn", warning)
