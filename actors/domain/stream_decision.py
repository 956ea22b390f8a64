"""Which (symbol, interval) is read from storage, which is computed, and which cannot be had.

1. The base of a symbol is the largest stored interval from which everything asked of it can be computed.
2. The base is streamed, asked for or not. So is a stored 1m asked for beside 1s: it is never recomputed.
3. What is a whole multiple of a streamed interval is computed from the longest such interval; `Nd` and `Nw`
   are multiples of all up to `1d`.
4. The rest is ignored, with the reason: finer than all that is stored, no whole multiple.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from actors.domain.intervals import Interval
from actors.domain.session_plan import Label, Stream

_MINUTE: Final = Interval(1, "m")
_SESSION: Final = Interval(1, "d")

Wants = Mapping[Interval, Sequence[str]]
"""Who asks for each interval."""


class Request(NamedTuple):
    """One reason for serving an interval of a symbol."""

    symbol: str
    interval: Interval
    wanted_by: str
    """Who asks, as a reader is told: `the configuration`, `strategy sma_cross`."""
    history_sessions: int = 0


class Decision(NamedTuple):
    """What becomes of one interval of a symbol."""

    interval: Interval
    label: Label
    reason: str
    base: Interval | None = None
    """For GENERATED: what it is computed from."""


def decide_streams(
    symbols: Sequence[str], requests: Collection[Request], stored: Mapping[str, Collection[Interval]]
) -> tuple[Stream, ...]:
    """Decide for all symbols, each of which has stored intervals, and number the streams.

    Ids count up by interval length, then by the order of the symbols; ignored ones come last.
    """
    wants = _wants(symbols, requests)
    decided = [(symbol, decision) for symbol in symbols for decision in decide(wants[symbol], stored[symbol])]
    order = {symbol: place for place, symbol in enumerate(symbols)}
    decided.sort(key=lambda pair: _delivery_order(order[pair[0]], pair[1]))
    ids = {(symbol, decision.interval): number for number, (symbol, decision) in enumerate(decided)}
    history = _history_sessions(decided, requests)
    return tuple(
        Stream(
            id=ids[symbol, decision.interval],
            symbol=symbol,
            interval=str(decision.interval),
            label=decision.label,
            reason=decision.reason,
            base=None if decision.base is None else ids[symbol, decision.base],
            history_sessions=history[symbol, decision.interval],
        )
        for symbol, decision in decided
    )


def decide(wants: Wants, stored: Collection[Interval]) -> tuple[Decision, ...]:
    """Decide for one symbol with at least one stored interval, shortest interval first."""
    streamed = _streamed(choose_base(wants, stored), wants, stored)
    sources = {interval: source for interval in wants if (source := _source(interval, streamed)) is not None}
    if not sources:
        return tuple(_ignored(interval, wants[interval], min(stored)) for interval in sorted(wants))
    intervals = sorted({*wants, *streamed})
    return tuple(_decision(interval, wants, sources, min(stored)) for interval in intervals)


def choose_base(wants: Iterable[Interval], stored: Collection[Interval]) -> Interval:
    """Choose the stored interval that serves most of what is asked for, and of these the largest."""
    wanted = tuple(wants)
    return max(stored, key=lambda base: (sum(is_computable(want, base) for want in wanted), base))


def is_computable(interval: Interval, base: Interval) -> bool:
    """Tell whether bars of a base hold all that bars of an interval need."""
    if not interval.is_intraday:
        return base.is_intraday or base == _SESSION
    return base.is_intraday and interval.length_ns % base.length_ns == 0


def _streamed(base: Interval, wants: Wants, stored: Collection[Interval]) -> tuple[Interval, ...]:
    if base < _MINUTE and _MINUTE in wants and _MINUTE in stored:
        return base, _MINUTE
    return (base,)


def _source(interval: Interval, streamed: Iterable[Interval]) -> Interval | None:
    return max((base for base in streamed if is_computable(interval, base)), default=None)


def _decision(
    interval: Interval, wants: Wants, sources: Mapping[Interval, Interval], finest: Interval
) -> Decision:
    if interval not in wants:
        served = ", ".join(str(derived) for derived in sorted(sources) if sources[derived] == interval)
        return Decision(interval, "STREAMED", f"stored; nobody asks for it, but it is the base of {served}")
    source = sources.get(interval)
    if source is None:
        return _ignored(interval, wants[interval], finest)
    if source == interval:
        return Decision(interval, "STREAMED", f"stored; asked for by {_names(wants[interval])}")
    reason = f"computed from {source}; asked for by {_names(wants[interval])}"
    return Decision(interval, "GENERATED", reason, source)


def _ignored(interval: Interval, wanted_by: Collection[str], finest: Interval) -> Decision:
    return Decision(interval, "IGNORED", f"{_obstacle(interval, finest)}; asked for by {_names(wanted_by)}")


def _obstacle(interval: Interval, finest: Interval) -> str:
    if finest.spans_sessions:
        return f"nothing is computed from {finest}, the finest that is stored"
    if interval < finest:
        return f"finer than {finest}, the finest that is stored"
    return f"no whole multiple of {finest}, the finest that is stored"


def _names(wanted_by: Collection[str]) -> str:
    return ", ".join(dict.fromkeys(wanted_by))


def _wants(symbols: Iterable[str], requests: Iterable[Request]) -> Mapping[str, Wants]:
    wants: dict[str, dict[Interval, list[str]]] = {symbol: {} for symbol in symbols}
    for request in requests:
        wants[request.symbol].setdefault(request.interval, []).append(request.wanted_by)
    return wants


def _delivery_order(symbol_place: int, decision: Decision) -> tuple[bool, int, int, bool, str]:
    """Sort a base before what is computed from it, even where both are equally long, as 5m and 300s are."""
    interval = decision.interval
    is_derived = decision.base is not None
    return decision.label == "IGNORED", interval.length_ns, symbol_place, is_derived, str(interval)


def _history_sessions(
    decided: Iterable[tuple[str, Decision]], requests: Iterable[Request]
) -> dict[tuple[str, Interval], int]:
    """Give each its own need; what a derived one needs, its base needs too."""
    pairs = tuple(decided)
    needs = {(symbol, decision.interval): 0 for symbol, decision in pairs}
    for request in requests:
        key = request.symbol, request.interval
        needs[key] = max(needs[key], request.history_sessions)
    for symbol, decision in pairs:
        if decision.base is not None:
            key = symbol, decision.base
            needs[key] = max(needs[key], needs[symbol, decision.interval])
    return needs
