"""Build what `summary.json` holds. What is not known, as when a run ended too early, is null, never 0."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from actors.domain.grid import event_times
from actors.domain.intervals import NS_PER_S, Interval
from actors.domain.quality_ledger import rounded_score
from actors.domain.session_plan import Session, SessionPlan, Stream
from actors.domain.split_suspicion import ADVICE
from actors.supervisor.split_findings import SuspectedSplit
from actors.supervisor.wording import listed, resume_command
from protocol.messages import Finished, StreamTotal, Verdict

SUMMARY_VERSION: Final = 1
SPLITS_NAMED: Final = 10
"""How many suspected splits the warning names; `suspected_splits` has all."""
BAR_COUNTS: Final = ("expected", "delivered", "missing", "duplicates", "rejected")
RESULT_FIGURES: Final = (*Verdict.__struct_fields__[:-2], "total_return")
"""What is told of a strategy's trading, besides its failure."""
FILLED: Final = "filled"
"""Of the delivered bars, how many were missing and have been rebuilt."""

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a run failed."""

    actor: str | None
    """Whose failure it was; None where it was the supervisor's or nobody's."""
    reason: str
    log_tail: tuple[str, ...] = ()
    """The actor's last log lines."""
    stack: tuple[str, ...] = ()
    """Where it was, where it was asked, innermost frame first."""
    step: str | None = None
    """The simulated time it had reached, exchange-local."""
    advice: str | None = None
    """What to do about it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the supervisor knows of a run that is over."""

    run: str
    """The run folder's name."""
    status: Literal["done", "failed", "interrupted"]
    exit_code: int
    wall_s: float
    """From the command's start to now."""
    sessions_done: int
    peak_rss_bytes: Mapping[str, int] = field(default_factory=dict)
    cpu_ns: Mapping[str, int] = field(default_factory=dict)
    """Processor time per actor; in a run in one process each has the whole."""
    restarts: int = 0
    failure: Failure | None = None
    lost: Mapping[str, str] = field(default_factory=dict)
    """Strategies' engines that the run went on without, by actor, and why."""
    suspected_splits: tuple[SuspectedSplit, ...] | None = None
    """What the tables of defects name, history included; None where there are no tables."""
    resumed: int = 0
    """How often the run was resumed."""
    resumable: bool = False
    """Whether it has ended before its end."""


def build_summary(plan: SessionPlan, finished: Finished | None, outcome: Outcome) -> Json:
    """Put plan, verdict and outcome together; `finished` is None where the coordinator never gave one."""
    return {
        "version": SUMMARY_VERSION,
        "run": outcome.run,
        "status": outcome.status,
        "exit_code": outcome.exit_code,
        "sessions": [_session(plan, session, outcome.sessions_done) for session in plan.sessions],
        **_market_figures(plan, finished),
        "signals": _signals(plan, finished),
        "results": _results(plan, finished, outcome.lost),
        "digest": _digests(finished),
        "wall_s": _wall(finished, outcome.wall_s),
        "bars_per_s": _rate(finished, outcome.wall_s),
        "peak_rss_bytes": dict(outcome.peak_rss_bytes),
        "cpu_s": {actor: round(used_ns / NS_PER_S, 3) for actor, used_ns in outcome.cpu_ns.items()},
        "max_lag_s": round(finished.lag_ns / NS_PER_S, 6) if finished else None,
        "restarts": outcome.restarts,
        "resumed": outcome.resumed,
        "resume": resume_command(outcome.run) if outcome.resumable else None,
        "suppressed_derived": finished.suppressed if finished else None,
        "corporate_actions": _corporate_actions(plan),
        "suspected_splits": _suspected_splits(outcome),
        "warnings": [*_warnings(plan), *_split_warnings(outcome.suspected_splits or ())],
        "failure": _failure(outcome.failure),
    }


def _session(plan: SessionPlan, session: Session, done: int) -> Json:
    zone = ZoneInfo(plan.timezone)
    return {
        "date": session.date,
        "kind": session.kind,
        "open": _local(session.open_ns, zone),
        "close": _local(session.close_ns, zone),
        "steps": _steps(plan, session) if session.index < done else None,
    }


def _local(instant_ns: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(instant_ns // NS_PER_S, zone).isoformat()


def _steps(plan: SessionPlan, session: Session) -> int:
    intervals = {Interval.parse(stream.interval) for stream in plan.base_streams}
    return len(event_times(session, tuple(sorted(intervals))))


def _market_figures(plan: SessionPlan, finished: Finished | None) -> Json:
    totals = {total.stream: total for total in finished.streams} if finished else {}
    counts = {symbol: _counts(streams, totals) for symbol, streams in _base_streams(plan)}
    return {
        "bars": counts,
        "derived": _derived(plan, totals),
        "quality": {symbol: _score(found) for symbol, found in counts.items()},
        "gaps": {symbol: _sum(streams, totals, "gaps") for symbol, streams in _base_streams(plan)},
    }


def _base_streams(plan: SessionPlan) -> Iterator[tuple[str, list[Stream]]]:
    """Give every symbol that is read from storage with its streams, in the run's order."""
    for symbol in plan.symbols:
        streams = [stream for stream in plan.base_streams if stream.symbol == symbol]
        if streams:
            yield symbol, streams


def _counts(streams: list[Stream], totals: Mapping[int, StreamTotal]) -> Json:
    fields = {name: "bars" if name == "delivered" else name for name in (*BAR_COUNTS, FILLED)}
    return {name: _sum(streams, totals, column) for name, column in fields.items()}


def _sum(streams: list[Stream], totals: Mapping[int, StreamTotal], column: str) -> int | None:
    known = [getattr(totals[stream.id], column) for stream in streams if stream.id in totals]
    return sum(known) if known else None


def _score(counts: Json) -> float | None:
    expected, missing = counts["expected"], counts["missing"]
    return None if expected is None else rounded_score(expected, missing)


def _derived(plan: SessionPlan, totals: Mapping[int, StreamTotal]) -> Json:
    counts: dict[str, Json] = {}
    for stream in plan.served:
        if stream.label == "GENERATED":
            counts.setdefault(stream.interval, {})[stream.symbol] = _sum([stream], totals, "bars")
    return counts


def _signals(plan: SessionPlan, finished: Finished | None) -> Json:
    by_actor = finished.signals if finished else {}
    return {
        "emitted": sum(by_actor.values()) if finished else None,
        "by_strategy": {
            spec.name: by_actor.get(spec.actor, 0) if finished else None for spec in plan.strategies
        },
        "digests": {
            spec.name: finished.signals_digests.get(spec.actor) if finished else None
            for spec in plan.strategies
        },
    }


def _results(plan: SessionPlan, finished: Finished | None, lost: Mapping[str, str]) -> Json:
    """Say by strategy what its trading came to; null where it never said."""
    verdicts = finished.verdicts if finished else {}
    return {
        spec.name: strategy_result(verdicts.get(spec.actor), lost.get(spec.actor)) for spec in plan.strategies
    }


def strategy_result(verdict: Verdict | None, lost: str | None) -> Json | None:
    """Put a strategy's figures together; of an engine that died, all are null but the failure."""
    if verdict is None:
        return None if lost is None else {**dict.fromkeys(RESULT_FIGURES), "failure": lost}
    gain = verdict.equity / verdict.start_equity - 1 if verdict.start_equity else None
    figures = {name: getattr(verdict, name) for name in RESULT_FIGURES[:-1]}
    return {**msgspec.to_builtins(figures), "total_return": gain, "failure": verdict.failure or lost}


def _digests(finished: Finished | None) -> Json:
    return {
        "data": finished.data_digest if finished else None,
        "stream": finished.stream_digest if finished else None,
        "signals": finished.signals_digest if finished else None,
    }


def _wall(finished: Finished | None, total_s: float) -> Json:
    phases = finished.phase_wall_ns if finished else {}
    walls = {name.lower(): round(wall_ns / NS_PER_S, 6) for name, wall_ns in phases.items()}
    return walls | {"total": round(total_s, 6)}


def _rate(finished: Finished | None, total_s: float) -> float | None:
    return round(finished.bars / total_s, 1) if finished and total_s > 0 else None


def _warnings(plan: SessionPlan) -> Iterator[str]:
    yield from plan.warnings
    if plan.history and not plan.rules.history_quality_enabled:
        yield "the quality of history was not checked (enable_quality is false): 100 is assumed"


def _corporate_actions(plan: SessionPlan) -> Json | None:
    file = plan.corporate_actions
    if file is None:
        return None
    return {"file": file.name, "sha256": file.sha256, "applied": len(plan.adjustments)}


def _suspected_splits(outcome: Outcome) -> list[Json] | None:
    found = outcome.suspected_splits
    return None if found is None else [split._asdict() for split in found]


def _split_warnings(found: Sequence[SuspectedSplit]) -> Iterator[str]:
    if found:
        named = listed((f"{split.symbol} {split.date} {split.split}" for split in found), SPLITS_NAMED)
        yield f"suspected splits: {named}; {ADVICE}"


def _failure(failure: Failure | None) -> Json | None:
    if failure is None:
        return None
    return {
        "actor": failure.actor,
        "step": failure.step,
        "reason": failure.reason,
        "advice": failure.advice,
        "log_tail": list(failure.log_tail),
        "stack": list(failure.stack),
    }
