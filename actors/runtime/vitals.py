"""What a process costs, measured from within."""

import os
import resource
import sys
from collections import deque
from typing import Final

import psutil

SAMPLES: Final = 1024
RU_MAXRSS_BYTES: Final = 1 if sys.platform == "darwin" else 1024
"""The unit of getrusage(2), which differs."""


class Vitals:
    """Memory, processor time and the time that handling takes."""

    def __init__(self) -> None:
        """Measure this process."""
        self.pid = os.getpid()
        self._process = psutil.Process()
        self._handled: deque[int] = deque(maxlen=SAMPLES)
        self.messages = 0

    def handled(self, elapsed_ns: int) -> None:
        """Take note of how long one message took."""
        self.messages += 1
        self._handled.append(elapsed_ns)

    def percentile_ns(self, percent: int) -> int:
        """Give a percentile of the last `SAMPLES` handling times; 0 before the first."""
        ordered = sorted(self._handled)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0

    @property
    def rss_bytes(self) -> int:
        """Resident memory now."""
        return int(self._process.memory_info().rss)

    @property
    def peak_rss_bytes(self) -> int:
        """Resident memory at its highest."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RU_MAXRSS_BYTES
        return max(peak, self.rss_bytes)

    @property
    def cpu_ns(self) -> int:
        """Processor time used, user and system."""
        times = self._process.cpu_times()
        return round((times.user + times.system) * 1e9)
