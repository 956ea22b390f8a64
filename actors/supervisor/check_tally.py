"""Add up what a check finds, in memory that does not grow with the range."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from itertools import count
from typing import Final, Generic, NamedTuple, TypeVar

from actors.domain.quality_ledger import COUNTED, rounded_score, score
from actors.domain.split_suspicion import split_named_in
from actors.supervisor.data_check import SessionVerdict, StreamCheck, Unchecked
from protocol.messages import Defect, Gap

KEPT: Final = 20
"""How many sessions, gaps and defects are kept to be shown."""
Item = TypeVar("Item")


class Found(NamedTuple):
    """A session's verdict and whose it is."""

    check: StreamCheck
    verdict: SessionVerdict


class FoundGap(NamedTuple):
    """A gap and whose it is."""

    check: StreamCheck
    gap: Gap


class FoundDefect(NamedTuple):
    """A defect and whose it is."""

    check: StreamCheck
    defect: Defect


class FoundSplit(NamedTuple):
    """A session that seems to begin with a split, and whose it is."""

    check: StreamCheck
    date: str
    split: str


class Beginning(Generic[Item]):
    """Keep the first few of many, and count them all."""

    def __init__(self) -> None:
        """Have none yet."""
        self.kept: list[Item] = []
        self.count = 0
        self.rest = 0
        """The count of those that are not kept."""

    def add(self, item: Item, count: int = 1) -> None:
        """Take one more, which stands for `count`."""
        self.count += count
        if len(self.kept) < KEPT:
            self.kept.append(item)
        else:
            self.rest += count


class Worst:
    """Keep the few worst sessions of many: lowest score first, then most rows with defects, then as found."""

    def __init__(self) -> None:
        """Have none yet."""
        self.count = 0
        self._heap: list[tuple[float, int, int, Found]] = []
        self._order = count(0, -1)

    def add(self, found: Found) -> None:
        """Take a session that is not clean."""
        self.count += 1
        verdict = found.verdict
        badness = (-verdict.quality.score, verdict.defect_rows, next(self._order), _light(found))
        if len(self._heap) < KEPT:
            heappush(self._heap, badness)
        else:
            heappushpop(self._heap, badness)

    @property
    def kept(self) -> list[Found]:
        """The worst one first."""
        return [found for *_, found in sorted(self._heap, reverse=True)]


def _light(found: Found) -> Found:
    """Let go of the defects, of which one session may have hundreds of thousands."""
    return found._replace(verdict=found.verdict._replace(defects=()))


def _splits(check: StreamCheck, verdict: SessionVerdict) -> Iterator[FoundSplit]:
    for defect in verdict.defects:
        split = split_named_in(defect.detail) if defect.kind == "jump" else None
        if split:
            yield FoundSplit(check, verdict.session.date, split)


@dataclass
class StreamTotals:
    """The counters of one stream over all its sessions."""

    check: StreamCheck
    sessions: int = 0
    rows: int = 0
    expected: int = 0
    delivered: int = 0
    gaps: int = 0
    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    """`missing` and every kind of defect."""

    @property
    def score(self) -> float:
        """The exact score in percent."""
        return score(self.expected, self.counted["missing"])

    @property
    def rounded_score(self) -> float:
        """The score as summaries show it."""
        return rounded_score(self.expected, self.counted["missing"])

    def add(self, verdict: SessionVerdict) -> None:
        """Add a session."""
        self.sessions += 1
        self.rows += verdict.rows
        self.expected += verdict.quality.expected
        self.delivered += verdict.quality.received
        self.gaps += len(verdict.gaps)
        for name in COUNTED:
            self.counted[name] += getattr(verdict.quality, name)


class CheckTally:
    """What a check found, as far as it can be shown."""

    def __init__(self) -> None:
        """Have found nothing yet."""
        self.streams: list[StreamTotals] = []
        self.unchecked: list[Unchecked] = []
        self.worst = Worst()
        self.gaps: Beginning[FoundGap] = Beginning()
        self.defects: Beginning[FoundDefect] = Beginning()
        self.splits: Beginning[FoundSplit] = Beginning()

    def add(self, check: StreamCheck, verdict: SessionVerdict) -> None:
        """Take note of one session."""
        if not self.streams or self.streams[-1].check is not check:
            self.streams.append(StreamTotals(check))
        self.streams[-1].add(verdict)
        if not verdict.is_clean:
            self.worst.add(Found(check, verdict))
            for gap in verdict.gaps:
                self.gaps.add(FoundGap(check, gap))
            for defect in verdict.defects:
                self.defects.add(FoundDefect(check, defect), defect.rows)
            for split in _splits(check, verdict):
                self.splits.add(split)

    def leave_out(self, unchecked: Unchecked) -> None:
        """Take note of a stream that cannot be judged, or not to its end."""
        self.unchecked.append(unchecked)

    def has_below(self, min_score: float | None) -> bool:
        """Whether a stream's score is lower; none is lower than nothing."""
        return min_score is not None and any(totals.score < min_score for totals in self.streams)
