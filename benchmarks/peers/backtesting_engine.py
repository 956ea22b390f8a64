"""backtesting.py: one symbol at a time, 5m and 15m by its own resampling; it has no common clock.

It learns of a 5m bar with the first minute after it, so the last one of the last session is never seen.
"""

import sys
import warnings
from pathlib import Path

import pandas as pd
from backtesting import Backtest, Strategy
from backtesting.lib import resample_apply
from crossing import CrossingCount
from inputs import FIELDS, minutes, report, symbols


def average(closes: pd.Series, period: int) -> pd.Series:
    """Give the simple moving average."""
    return closes.rolling(period).mean()


def same(closes: pd.Series) -> pd.Series:
    """Give the closes as they are."""
    return closes


class Crossover(Strategy):  # type: ignore[misc]  # the package has no types
    """Count crossings on the 5m close."""

    signals = 0

    def init(self) -> None:
        """Resample."""
        close = self.data.Close.s
        self._fast = resample_apply("5min", average, close, 20, plot=False)
        self._slow = resample_apply("5min", average, close, 50, plot=False)
        resample_apply("15min", same, close, plot=False)
        self._crossings = CrossingCount()

    def next(self) -> None:
        """Compare the averages; between two 5m bars they stay what they were."""
        self._crossings.add(self._fast[-1], self._slow[-1])
        type(self).signals = self._crossings.count


def replay(folder: Path, name: str) -> tuple[int, int]:
    """Run one symbol; give its bars and its crossings."""
    columns = minutes(folder, name)
    index = pd.DatetimeIndex(columns["open_ts"].astype("datetime64[ns]"))
    frame = pd.DataFrame({field.capitalize(): columns[field] for field in FIELDS}, index=index)
    Crossover.signals = 0
    Backtest(frame, Crossover, cash=1e9).run()
    return len(frame), Crossover.signals


def main() -> None:
    """Replay the folder that is named on the command line."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    counts = [replay(folder, name) for name in symbols(folder)]
    report(sum(bars for bars, _ in counts), sum(signals for _, signals in counts))


if __name__ == "__main__":
    main()
