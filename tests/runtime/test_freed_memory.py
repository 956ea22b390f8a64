import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.runtime.freed_memory import KEPT, PERIOD_NS, FreedMemory, give_back, keep_room


class Trimmed(FreedMemory):
    """Count instead."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def give_back(self) -> None:
        self.times += 1


def test_freed_memory_is_kept_for_a_period_and_then_given_back_once_a_period() -> None:
    freed = Trimmed()
    for now_ns in (7, PERIOD_NS + 6, PERIOD_NS + 7, 2 * PERIOD_NS, 2 * PERIOD_NS + 7):
        freed.on_time(now_ns)
    assert freed.times == 2


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library")
def test_a_hole_below_what_stays_is_given_back() -> None:
    below = [bytes(50_000) for _ in range(400)]
    above = bytes(50_000)
    held = resident_kb()
    below.clear()
    give_back()
    assert len(above) == 50_000
    assert resident_kb() < held - 10_000


def resident_kb() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def test_giving_back_twice_is_harmless_everywhere() -> None:
    give_back()
    give_back()
    assert sys.getsizeof(b"") > 0


def test_room_is_kept_but_where_the_user_has_said_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda parameter, size: told.append((parameter, size)))
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    for name in KEPT:
        monkeypatch.delenv(name, raising=False)
    keep_room()
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000000")
    keep_room()
    assert told == [*KEPT.values(), KEPT["MALLOC_MMAP_THRESHOLD_"]]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())
    keep_room()
