"""Say which strategies of a run failed while the run went on to its end."""

from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from actors.assembly.places import RunPlaces
from actors.domain.intervals import NS_PER_S
from actors.domain.session_plan import SessionPlan
from actors.supervisor.post_mortem import log_tail, stack_of
from actors.supervisor.summary import Failure
from protocol.messages import Finished


class FailedStrategy(NamedTuple):
    """A strategy that was stopped, or whose engine died."""

    name: str
    actor: str
    reason: str
    step_ns: int | None
    """The step at which it failed; None where nobody knows."""
    is_exact: bool = True
    """Whether it failed at that very step; an engine that died did so at one of the next."""
    is_earlier: bool = False
    """Whether it failed before the run was resumed."""


def failed_strategies(
    plan: SessionPlan,
    finished: Finished | None,
    lost: Mapping[str, str],
    before: Container[str] = (),
) -> tuple[FailedStrategy, ...]:
    """List the strategies that a run went on without, the earliest first.

    Of engines that were lost `before` the run was resumed nobody knows the step any more.
    """
    found = _failed(plan, finished, lost, before)
    return tuple(sorted(found, key=lambda failed: (failed.step_ns is None, failed.step_ns or 0)))


def describe(plan: SessionPlan, places: RunPlaces, failed: Sequence[FailedStrategy]) -> Failure:
    """Put the failures of strategies into one, under the name of the first."""
    first, zone = failed[0], ZoneInfo(plan.timezone)
    when = ", ".join(f"{each.name} failed {_when(each, zone)}" for each in failed)
    others = "the others went on" if len(failed) < len(plan.strategies) else "no strategy was left"
    logs = ", ".join(f"logs/{each.actor}.log" for each in failed)
    return Failure(
        actor=first.actor,
        reason=f"{when}; {others}: {'; '.join(each.reason for each in failed)}",
        log_tail=log_tail(places, first.actor),
        stack=stack_of(places, first.actor),
        step=None if first.step_ns is None else _local(first.step_ns, zone).isoformat(),
        advice=f"See {logs} in the run folder; everything else in it is complete. Mend the cause and launch "
        "again.",
    )


def _failed(
    plan: SessionPlan, finished: Finished | None, lost: Mapping[str, str], before: Container[str]
) -> Iterator[FailedStrategy]:
    verdicts = finished.verdicts if finished else {}
    dropped = finished.dropped if finished else {}
    for spec in plan.strategies:
        verdict = verdicts.get(spec.actor)
        if verdict is not None and verdict.failure:
            yield FailedStrategy(spec.name, spec.actor, verdict.failure, verdict.failed_ts)
        elif spec.actor in before:
            yield FailedStrategy(spec.name, spec.actor, lost[spec.actor], None, is_earlier=True)
        elif spec.actor in lost:
            yield FailedStrategy(
                spec.name, spec.actor, lost[spec.actor], dropped.get(spec.actor), is_exact=False
            )


def _when(failed: FailedStrategy, zone: ZoneInfo) -> str:
    if failed.is_earlier:
        return "before the run was resumed"
    if failed.step_ns is None:
        return "at the end"
    return f"{'at' if failed.is_exact else 'after'} {_local(failed.step_ns, zone):%Y-%m-%d %H:%M:%S %Z}"


def _local(step_ns: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(step_ns // NS_PER_S, zone)
