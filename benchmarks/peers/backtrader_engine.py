"""Backtrader: 1m feeds from memory, 5m and 15m by its own resampling, the averages its own indicators."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import backtrader as bt
from crossing import CrossingCount
from inputs import FIELDS, Columns, minutes, report, symbols

NS = 1_000_000_000


class Minutes(bt.feed.DataBase):  # type: ignore[misc]  # the package has no types
    """Bars from arrays; a bar's stamp is its close, as live feeds give it."""

    params = (("timeframe", bt.TimeFrame.Minutes), ("compression", 1))

    def __init__(self, columns: Columns) -> None:
        """Keep the rows."""
        super().__init__()
        stamps = (columns["close_ts"] // NS).tolist()
        self._rows = zip(stamps, *(columns[field].tolist() for field in FIELDS), strict=True)

    def _load(self) -> bool:
        """Put the next bar on the lines; False at the end."""
        row = next(self._rows, None)
        if row is None:
            return False
        stamp, *prices = row
        self.lines.datetime[0] = bt.date2num(datetime.fromtimestamp(stamp, UTC).replace(tzinfo=None))
        for line, price in zip(("open", "high", "low", "close", "volume"), prices, strict=True):
            getattr(self.lines, line)[0] = price
        self.lines.openinterest[0] = 0.0
        return True


class Crossover(bt.Strategy):  # type: ignore[misc]  # likewise
    """Count crossings on the 5m close, symbol by symbol."""

    def __init__(self) -> None:
        """Make both averages of every 5m feed."""
        self.bars = 0
        self._minutes = [data for data in self.datas if data._name.endswith(" 1m")]  # noqa: SLF001  its way
        fives = [data for data in self.datas if data._name.endswith(" 5m")]  # noqa: SLF001  likewise
        self._watched = [
            (five, bt.ind.SMA(five, period=20), bt.ind.SMA(five, period=50), CrossingCount())
            for five in fives
        ]
        self._seen = [0] * len(fives)

    @property
    def signals(self) -> int:
        """All crossings so far."""
        return sum(count.count for *_, count in self._watched)

    def prenext(self) -> None:
        """Handle the bars before all averages are there too."""
        self.next()

    def next(self) -> None:
        """Compare the averages of every 5m feed that has a new bar."""
        for place, (five, fast, slow, count) in enumerate(self._watched):
            if len(five) == self._seen[place]:
                continue
            self._seen[place] = len(five)
            if len(five) >= 50:  # noqa: PLR2004  the slow average's period
                count.add(fast[0], slow[0])

    def stop(self) -> None:
        """Count the minutes that came."""
        self.bars = sum(len(data) for data in self._minutes)


def main() -> None:
    """Replay the folder that is named on the command line."""
    folder = Path(sys.argv[1])
    cerebro = bt.Cerebro(stdstats=False)
    for name in symbols(folder):
        feed = Minutes(minutes(folder, name))
        cerebro.adddata(feed, name=f"{name} 1m")
        for length in (5, 15):
            cerebro.resampledata(
                feed, name=f"{name} {length}m", timeframe=bt.TimeFrame.Minutes, compression=length
            )
    cerebro.addstrategy(Crossover)
    (strategy,) = cerebro.run()
    report(strategy.bars, strategy.signals)


if __name__ == "__main__":
    main()
