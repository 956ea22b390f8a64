import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.barrier import Flight
from actors.domain.roles import RoleError
from actors.domain.sealing import seal, unseal
from protocol.blocks import BAR_DTYPE, NO_QUALITY, Bars, as_bars, bar_block, time_block
from protocol.messages import Defect, Derived, Quality, RawWindow

BASE = np.array([0, 1], np.uint16)
DEFECT = Defect(0, "off_grid", 10, 5, "f", 3, "")


def bars(cells: set[tuple[int, int]]) -> Bars:
    made = np.zeros(len(cells), BAR_DTYPE)
    made["close_ts"], made["stream"] = np.array(sorted(cells), np.int64).reshape(-1, 2).T
    made["close"] = np.arange(len(cells))
    return made


def cells(streams: tuple[int, ...]) -> st.SearchStrategy[set[tuple[int, int]]]:
    return st.sets(st.tuples(st.sampled_from([10, 20, 30]), st.sampled_from(streams)), max_size=6)


@settings(max_examples=100)
@given(cells((0, 1)), cells((2, 3)), st.booleans(), st.booleans())
def test_a_sealed_window_holds_all_bars_by_time_and_stream_and_can_be_taken_apart_again(
    base: set[tuple[int, int]],
    derived: set[tuple[int, int]],
    first: bool,  # noqa: FBT001
    last: bool,  # noqa: FBT001
) -> None:
    steps = time_block(np.array([10, 20, 30]))
    raw = RawWindow(5, 1, first, last, steps, bar_block(bars(base)), (DEFECT,))
    flight = Flight(raw, set(), Derived(5, bar_block(bars(derived)), 2), Quality(5, NO_QUALITY, ()))
    sealed = seal(flight)
    found = as_bars(sealed.block)
    assert list(zip(found["close_ts"].tolist(), found["stream"].tolist(), strict=True)) == sorted(
        base | derived
    )
    assert sealed.suppressed == 2
    assert unseal(sealed, BASE) == raw


@pytest.mark.parametrize(
    ("derived", "quality"),
    [(None, None), (Derived(0, bar_block(bars(set())), 0), None), (None, Quality(0, NO_QUALITY, ()))],
)
def test_a_window_of_which_a_part_is_missing_is_not_sealed(
    derived: Derived | None, quality: Quality | None
) -> None:
    raw = RawWindow(0, 0, True, True, time_block(np.array([10])), bar_block(bars(set())), ())
    with pytest.raises(RoleError, match="window 0 is not complete"):
        seal(Flight(raw, set(), derived, quality))
