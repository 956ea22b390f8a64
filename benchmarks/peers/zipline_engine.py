"""zipline-reloaded: minutes from its own store, `handle_data` once a minute; the strategy folds them.

    python zipline_engine.py FOLDER --prepare    write the bars into its store, FOLDER/zipline
    python zipline_engine.py FOLDER              replay them

It has no bars between a minute and a day, so the strategy asks for each minute and folds 5m and 15m itself,
as its users do.
"""

import os
import sys
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from crossing import CrossingCount
from inputs import FIELDS, minutes, report, symbols

BUNDLE = "workload"
FAST, SLOW = 20, 50
FIVE, FIFTEEN = 5, 15


class Crossover:
    """Count crossings on the 5m close, symbol by symbol."""

    def __init__(self, names: list[str]) -> None:
        """Know the symbols."""
        self.bars = 0
        self._names = names
        self._minute = 0
        self._closes = {name: deque[float](maxlen=SLOW) for name in names}
        self._counts = {name: CrossingCount() for name in names}

    @property
    def signals(self) -> int:
        """All crossings so far."""
        return sum(count.count for count in self._counts.values())

    def initialize(self, context: Any) -> None:  # noqa: ANN401  zipline's own
        """Look the symbols up."""
        from zipline.api import symbol  # noqa: PLC0415  the store's place must be set before it is imported

        context.assets = [symbol(name) for name in self._names]

    def handle_data(self, context: Any, data: Any) -> None:  # noqa: ANN401  likewise
        """Take a minute of all symbols."""
        self._minute += 1
        rows = data.current(context.assets, list(FIELDS))
        self.bars += int(rows["close"].count())
        if self._minute % FIFTEEN == 0:
            data.history(context.assets, ["high", "low", "volume"], FIFTEEN, "1m")
        if self._minute % FIVE == 0:
            for name, close in zip(self._names, rows["close"].tolist(), strict=True):
                self._take(name, close)

    def _take(self, name: str, close: float) -> None:
        closes = self._closes[name]
        closes.append(close)
        if len(closes) == SLOW:
            newest = list(closes)[-FAST:]
            self._counts[name].add(sum(newest) / FAST, sum(closes) / SLOW)


def frame_of(folder: Path, name: str) -> pd.DataFrame:
    """Give the minutes of a symbol; zipline's stamp is the close."""
    columns = minutes(folder, name)
    index = pd.DatetimeIndex(columns["close_ts"].astype("datetime64[ns]"))
    return pd.DataFrame({field: columns[field] for field in FIELDS}, index=index)


def days_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Fold minutes into days."""
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return frame.groupby(frame.index.normalize()).agg(how)


def intake(folder: Path, names: list[str]) -> Callable[..., None]:
    """Make the function that fills a bundle."""

    def fill(_environ: Any, *writers: Any) -> None:  # noqa: ANN401  zipline's own
        assets, minute_bars, daily_bars, adjustments, *_ = writers
        frames = {sid: frame_of(folder, name) for sid, name in enumerate(names)}
        span = {"start_date": frames[0].index[0].normalize(), "end_date": frames[0].index[-1].normalize()}
        columns = {"symbol": names, "asset_name": names, "exchange": "XNYS", **span}
        venue = {"exchange": ["XNYS"], "canonical_name": ["XNYS"], "country_code": ["US"]}
        assets.write(equities=pd.DataFrame(columns), exchanges=pd.DataFrame(venue))
        minute_bars.write(frames.items())
        daily_bars.write((sid, days_of(frame)) for sid, frame in frames.items())
        adjustments.write()

    return fill


def main() -> None:
    """Fill the store for the folder that is named on the command line, or replay it."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    os.environ["ZIPLINE_ROOT"] = str(folder / "zipline")
    from zipline import run_algorithm  # noqa: PLC0415  it reads the environment
    from zipline.data import bundles  # noqa: PLC0415  likewise

    names = symbols(folder)
    first, *_, last = frame_of(folder, names[0]).index.normalize()
    bundles.register(
        BUNDLE, intake(folder, names), calendar_name="XNYS", start_session=first, end_session=last
    )
    if "--prepare" in sys.argv:
        bundles.ingest(BUNDLE)
        return
    strategy = Crossover(names)
    run_algorithm(
        start=first,
        end=last,
        initialize=strategy.initialize,
        handle_data=strategy.handle_data,
        capital_base=1e6,
        data_frequency="minute",
        bundle=BUNDLE,
        benchmark_returns=pd.Series(0.0, index=pd.date_range(first, last, tz="UTC")),
    )
    report(strategy.bars, strategy.signals)


if __name__ == "__main__":
    main()
