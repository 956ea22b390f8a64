"""The digests: what changes them and what does not."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.digest import DataDigest, SignalsDigest, StreamDigest
from protocol.blocks import (
    BAR_DTYPE,
    DEFECT_KINDS,
    QUALITY_DTYPE,
    BarBlock,
    FloatBlock,
    QualityBlock,
    TimeBlock,
)
from protocol.messages import Defect, Figure, Gap, RawWindow, SealedWindow, Signal

EXAMPLES = settings(max_examples=40, deadline=None)
INSTANTS = st.integers(-(2**63), 2**63 - 1)
BAR_BYTES = BAR_DTYPE.itemsize
QUALITY_BYTES = QUALITY_DTYPE.itemsize


@dataclass(frozen=True)
class Step:
    """What becomes known at one event time."""

    session: int
    time: bytes
    bars: tuple[bytes, ...]
    quality: tuple[bytes, ...]
    gaps: tuple[Gap, ...]
    defects: tuple[Defect, ...]


def records(size: int, most: int = 3) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.lists(st.binary(min_size=size, max_size=size), max_size=most).map(tuple)


GAPS = st.builds(
    Gap,
    stream=st.integers(0, 9),
    from_ts=INSTANTS,
    to_ts=INSTANTS,
    count=st.integers(1, 99),
    known_ts=INSTANTS,
)
DEFECTS = st.builds(
    Defect,
    stream=st.integers(0, 9),
    kind=st.sampled_from(DEFECT_KINDS),
    known_ts=INSTANTS,
    open_ts=INSTANTS,
    file=st.text(max_size=5),
    row=st.integers(0, 10**6),
    detail=st.text(max_size=5),
    rows=st.integers(0, 3),
)


def steps_of(session: int) -> st.SearchStrategy[list[Step]]:
    step = st.builds(
        Step,
        session=st.just(session),
        time=st.binary(min_size=8, max_size=8),
        bars=records(BAR_BYTES),
        quality=records(QUALITY_BYTES),
        gaps=st.lists(GAPS, max_size=2).map(tuple),
        defects=st.lists(DEFECTS, max_size=2).map(tuple),
    )
    return st.lists(step, min_size=1, max_size=6)


RUNS = st.tuples(steps_of(-1), steps_of(0), steps_of(1)).map(lambda runs: list(chain.from_iterable(runs)))
CUTS = st.sets(st.integers(1, 18))


def windows(steps: Sequence[Step], cuts: Iterable[int]) -> Iterator[SealedWindow]:
    """Cut steps at the given places, and wherever a session begins."""
    borders = {place for place in range(1, len(steps)) if steps[place].session != steps[place - 1].session}
    places = sorted({0, len(steps)} | borders | {cut for cut in cuts if cut < len(steps)})
    for seq, (start, stop) in enumerate(pairwise(places)):
        yield window(seq, steps[start:stop])


def window(seq: int, steps: Sequence[Step]) -> SealedWindow:
    bars = [row for step in steps for row in step.bars]
    quality = [row for step in steps for row in step.quality]
    return SealedWindow(
        seq=seq,
        session=steps[0].session,
        first=seq % 2 == 0,
        last=seq % 3 == 0,
        steps=TimeBlock(len(steps), b"".join(step.time for step in steps)),
        block=BarBlock(len(bars), b"".join(bars)),
        quality=QualityBlock(len(quality), b"".join(quality)),
        gaps=tuple(gap for step in steps for gap in step.gaps),
        defects=tuple(defect for step in steps for defect in step.defects),
    )


def stream_digest(steps: Sequence[Step], cuts: Iterable[int] = ()) -> str:
    digest = StreamDigest()
    for sealed in windows(steps, cuts):
        digest.update(sealed)
    return digest.hexdigest()


def data_digest(steps: Sequence[Step], cuts: Iterable[int] = ()) -> str:
    digest = DataDigest()
    for sealed in windows(steps, cuts):
        digest.update(
            RawWindow(
                sealed.seq,
                sealed.session,
                sealed.first,
                sealed.last,
                sealed.steps,
                sealed.block,
                sealed.defects,
            )
        )
    return digest.hexdigest()


def flipped(data: bytes, bit: int) -> bytes:
    place, shift = divmod(bit % (8 * len(data)), 8)
    return data[:place] + bytes([data[place] ^ (1 << shift)]) + data[place + 1 :]


@EXAMPLES
@given(steps=RUNS, cuts=CUTS)
def test_digests_do_not_depend_on_where_windows_were_cut(steps: list[Step], cuts: set[int]) -> None:
    assert stream_digest(steps, cuts) == stream_digest(steps)
    assert data_digest(steps, cuts) == data_digest(steps)


@EXAMPLES
@given(steps=RUNS, place=st.integers(0, 17), bit=st.integers(0, 2**20), data=st.data())
def test_one_flipped_bit_changes_the_stream_digest(
    steps: list[Step], place: int, bit: int, data: st.DataObject
) -> None:
    place %= len(steps)
    step = steps[place]
    kind = data.draw(st.sampled_from([name for name in ("time", "bars", "quality") if getattr(step, name)]))
    value = getattr(step, kind)
    changed: Any = flipped(value, bit) if kind == "time" else (*value[:-1], flipped(value[-1], bit))
    other = [*steps[:place], replace(step, **{kind: changed}), *steps[place + 1 :]]
    assert stream_digest(other) != stream_digest(steps)
    assert (data_digest(other) != data_digest(steps)) == (kind == "bars")


@EXAMPLES
@given(gap=GAPS, data=st.data())
def test_every_field_of_a_gap_counts(gap: Gap, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(gap.__struct_fields__))
    other = msgspec.structs.replace(gap, **{name: getattr(gap, name) ^ 1})
    assert stream_digest([step_with(gaps=(gap,))]) != stream_digest([step_with(gaps=(other,))])


@EXAMPLES
@given(defect=DEFECTS, other=DEFECTS, data=st.data())
def test_every_field_of_a_defect_counts(defect: Defect, other: Defect, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(defect.__struct_fields__))
    mixed = msgspec.structs.replace(defect, **{name: getattr(other, name)})
    same = mixed == defect
    first, second = [step_with(defects=(defect,))], [step_with(defects=(mixed,))]
    assert (stream_digest(first) == stream_digest(second)) == same
    assert (data_digest(first) == data_digest(second)) == same


@EXAMPLES
@given(steps=steps_of(0), place=st.integers(1, 5))
def test_a_step_of_another_session_is_another_run(steps: list[Step], place: int) -> None:
    moved = steps[:place] + [replace(step, session=1) for step in steps[place:]]
    assert (stream_digest(moved) == stream_digest(steps)) == (len(steps) <= place)


def test_history_counts() -> None:
    run = [step_with(session=0)]
    assert stream_digest([step_with(session=-1), *run]) != stream_digest(run)


def test_the_order_of_two_gaps_counts() -> None:
    one, two = Gap(0, 1, 2, 1, 3), Gap(1, 1, 2, 1, 3)
    assert stream_digest([step_with(gaps=(one, two))]) != stream_digest([step_with(gaps=(two, one))])


@EXAMPLES
@given(steps=RUNS)
def test_asking_in_between_changes_nothing(steps: list[Step]) -> None:
    digest = StreamDigest()
    for sealed in windows(steps, range(18)):
        digest.update(sealed)
        digest.hexdigest()
    assert digest.hexdigest() == stream_digest(steps)


SIGNALS = st.builds(
    Signal,
    event_ts=INSTANTS,
    symbol=st.sampled_from(["AAPL", "RIVN"]),
    action=st.sampled_from(["BUY", "SELL", "CLOSE"]),
    quantity=st.floats(0, 1e6),
    confidence=st.floats(0, 1),
    reason=st.text(max_size=5),
)


@EXAMPLES
@given(
    signals=st.dictionaries(st.sampled_from("abc"), st.lists(SIGNALS, max_size=5)),
    order=st.randoms(use_true_random=False),
)
def test_signals_digest_does_not_depend_on_how_actors_interleave(
    signals: dict[str, list[Signal]], order: Random
) -> None:
    whole, pieces = SignalsDigest(), SignalsDigest()
    for actor, emitted in signals.items():
        whole.update(actor, emitted)
    turns = [actor for actor, emitted in signals.items() for _ in range(len(emitted) + 1)]
    order.shuffle(turns)
    rest = {actor: list(emitted) for actor, emitted in signals.items()}
    for actor in turns:
        pieces.update(actor, rest[actor][:1])
        del rest[actor][:1]
    assert pieces.hexdigest() == whole.hexdigest()


@EXAMPLES
@given(first=SIGNALS, second=SIGNALS)
def test_who_signalled_and_in_which_order_counts(first: Signal, second: Signal) -> None:
    assert signals_digest(a=[first, second]) != signals_digest(b=[first, second])
    assert signals_digest(a=[first, second]) != signals_digest(a=[first], b=[second])
    assert (signals_digest(a=[first, second]) == signals_digest(a=[second, first])) == (first == second)


def test_an_actor_without_signals_does_not_count() -> None:
    assert signals_digest(a=[]) == SignalsDigest().hexdigest()


@pytest.mark.parametrize("digest", [StreamDigest(), DataDigest(), SignalsDigest()])
def test_a_digest_is_64_hex_digits(digest: StreamDigest | DataDigest | SignalsDigest) -> None:
    assert len(bytes.fromhex(digest.hexdigest())) == 32


def signals_digest(**signals: list[Signal]) -> str:
    digest = SignalsDigest()
    for actor, emitted in signals.items():
        digest.update(actor, emitted)
    return digest.hexdigest()


def step_with(session: int = 0, gaps: tuple[Gap, ...] = (), defects: tuple[Defect, ...] = ()) -> Step:
    return Step(session, bytes(8), (bytes(BAR_BYTES),), (), gaps, defects)


@EXAMPLES
@given(steps=RUNS, bit=st.integers(0, 63))
def test_figures_count_where_there_are_any(steps: list[Step], bit: int) -> None:
    values = FloatBlock(1, bytes(8))
    figure = Figure("avg_volume_20d", "AAPL", (), values, "")
    changed = msgspec.structs.replace(figure, values=FloatBlock(1, flipped(values.records, bit)))
    runs = [(), (figure,), (changed,), (figure, figure)]
    found = {digest_with(steps, figures) for figures in runs}
    assert len(found) == len(runs)
    assert digest_with(steps, ()) == stream_digest(steps)


def digest_with(steps: Sequence[Step], figures: tuple[Figure, ...]) -> str:
    """Digest a run whose first window has figures."""
    digest = StreamDigest()
    for sealed in windows(steps, ()):
        own = figures if sealed.seq == 0 else ()
        digest.update(msgspec.structs.replace(sealed, figures=own))
    return digest.hexdigest()


@EXAMPLES
@given(first=SIGNALS, second=SIGNALS)
def test_the_digest_of_one_actors_signals_knows_neither_its_name_nor_the_others(
    first: Signal, second: Signal
) -> None:
    both, alone = SignalsDigest(), SignalsDigest()
    for actor, signal in (("a", first), ("b", second), ("a", second)):
        both.update(actor, (signal,))
    alone.update("x", (first, second))
    assert both.of("a") == alone.of("x") != both.of("b")
    assert both.of("silent") == SignalsDigest().of("anybody")
