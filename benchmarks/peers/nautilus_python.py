"""NautilusTrader as its users know it: a strategy in Python, called with every bar of 1m, 5m and 15m.

5m and 15m are built inside by its own aggregators, the averages are its own indicators.
"""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from crossing import CrossingCount
from inputs import FIELDS, minutes, report, symbols
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import DataEngineConfig, LoggingConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("XNYS")


class Crossover(Strategy):  # type: ignore[misc]  # the package has no types
    """Count crossings on the 5m close, symbol by symbol."""

    def __init__(self, names: list[str]) -> None:
        """Know the symbols."""
        super().__init__()
        self._names = names
        self._watched: dict[BarType, tuple[Any, Any, CrossingCount]] = {}

    @property
    def signals(self) -> int:
        """All crossings so far."""
        return sum(count.count for _, _, count in self._watched.values())

    def on_start(self) -> None:
        """Ask for all bars."""
        for name in self._names:
            five = BarType.from_str(f"{name}.{VENUE}-5-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL")
            fast, slow = SimpleMovingAverage(20), SimpleMovingAverage(50)
            self.register_indicator_for_bars(five, fast)
            self.register_indicator_for_bars(five, slow)
            self._watched[five.standard()] = fast, slow, CrossingCount()
            self.subscribe_bars(BarType.from_str(f"{name}.{VENUE}-1-MINUTE-LAST-EXTERNAL"))
            self.subscribe_bars(five)
            self.subscribe_bars(BarType.from_str(f"{name}.{VENUE}-15-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL"))

    def on_bar(self, bar: Bar) -> None:
        """Compare the averages where the bar is one of 5m."""
        watched = self._watched.get(bar.bar_type)
        if watched is None:
            return
        fast, slow, count = watched
        if slow.initialized:
            count.add(fast.value, slow.value)


def equity(name: str) -> Equity:
    """Describe a share that trades in cents."""
    return Equity(
        instrument_id=InstrumentId(Symbol(name), VENUE),
        raw_symbol=Symbol(name),
        currency=USD,
        price_precision=2,
        price_increment=Price.from_str("0.01"),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


def bars_of(folder: Path, name: str) -> list[Bar]:
    """Give the minutes of a symbol as the engine takes them."""
    columns = minutes(folder, name)
    bar_type = BarType.from_str(f"{name}.{VENUE}-1-MINUTE-LAST-EXTERNAL")
    stamps = columns["close_ts"].astype(np.uint64)
    prices = (columns[field] for field in FIELDS)
    bars: list[Bar] = Bar.from_raw_arrays_to_list(bar_type, 2, 0, *prices, stamps, stamps)
    return bars


def main() -> None:
    """Replay the folder that is named on the command line."""
    folder = Path(sys.argv[1])
    names = symbols(folder)
    config = BacktestEngineConfig(
        logging=LoggingConfig(bypass_logging=True),
        data_engine=DataEngineConfig(time_bars_build_with_no_updates=False),
        run_analysis=False,
    )
    engine = BacktestEngine(config)
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, [Money(1_000_000, USD)])
    for name in names:
        engine.add_instrument(equity(name))
    bars = [bar for name in names for bar in bars_of(folder, name)]
    engine.add_data(bars)
    strategy = Crossover(names)
    engine.add_strategy(strategy)
    engine.run()
    report(len(bars), strategy.signals)


if __name__ == "__main__":
    main()
