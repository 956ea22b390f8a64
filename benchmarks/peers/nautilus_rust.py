"""NautilusTrader's engine written in Rust, driven from Python, as cheaply as it goes.

The minutes reach its aggregators without a call into Python, the averages are its own indicators, and the
strategy, in Python, is called with bars of 5m and 15m only.
"""

import sys
from pathlib import Path
from typing import Any

import nautilus_trader.core.nautilus_pyo3 as nt
from crossing import CrossingCount
from inputs import FIELDS, minutes, report, symbols

VENUE = nt.Venue("XNYS")
USD = nt.Currency.from_str("USD")


class Crossover(nt.trading.Strategy):  # type: ignore[misc]  # the package has no types
    """Count crossings on the 5m close, symbol by symbol."""

    def __init__(self, _config: Any) -> None:  # noqa: ANN401  the package's own
        """Know no symbol yet."""
        self.names: list[str] = []
        self._watched: dict[Any, tuple[Any, Any, CrossingCount]] = {}

    @property
    def signals(self) -> int:
        """All crossings so far."""
        return sum(count.count for *_, count in self._watched.values())

    def on_start(self) -> None:
        """Ask for the bars of 5m and 15m."""
        for name in self.names:
            five, fifteen = (
                nt.BarType.from_str(f"{name}.{VENUE}-{length}-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL")
                for length in (5, 15)
            )
            fast, slow = nt.SimpleMovingAverage(20), nt.SimpleMovingAverage(50)
            self.register_indicator_for_bars(five, fast)
            self.register_indicator_for_bars(five, slow)
            self._watched[five.standard()] = fast, slow, CrossingCount()
            self.subscribe_bars(five)
            self.subscribe_bars(fifteen)

    def on_bar(self, bar: Any) -> None:  # noqa: ANN401  likewise
        """Compare the averages where the bar is one of 5m."""
        watched = self._watched.get(bar.bar_type)
        if watched is None:
            return
        fast, slow, count = watched
        if slow.initialized:
            count.add(fast.value, slow.value)


def share_of(name: str) -> Any:  # noqa: ANN401  likewise
    """Describe a share that trades in cents."""
    symbol, cent = nt.Symbol(name), nt.Price.from_str("0.01")
    return nt.Equity(nt.InstrumentId(symbol, VENUE), symbol, USD, 2, cent, 0, 0)


def bars_of(folder: Path, name: str) -> list[Any]:
    """Give the minutes of a symbol as the engine takes them."""
    columns = minutes(folder, name)
    kind = nt.BarType.from_str(f"{name}.{VENUE}-1-MINUTE-LAST-EXTERNAL")
    *prices, volumes = (columns[field].tolist() for field in FIELDS)
    rows = zip(*prices, volumes, columns["close_ts"].tolist(), strict=True)
    return [
        nt.Bar(kind, *(nt.Price(price, 2) for price in four), nt.Quantity(volume, 0), stamp, stamp)
        for *four, volume, stamp in rows
    ]


def build() -> Any:  # noqa: ANN401  likewise
    """Make the engine; it says nothing and makes no bars out of nothing."""
    config = nt.backtest.BacktestEngineConfig(
        logging=nt.common.LoggerConfig(bypass_logging=True),
        data_engine=nt.data.DataEngineConfig(time_bars_build_with_no_updates=False),
        run_analysis=False,
    )
    engine = nt.backtest.BacktestEngine(config)
    engine.add_venue(VENUE, nt.OmsType.NETTING, nt.AccountType.CASH, [nt.Money(1_000_000, USD)])
    return engine


def main() -> None:
    """Replay the folder that is named on the command line."""
    folder, total = Path(sys.argv[1]), 0
    names = symbols(folder)
    engine = build()
    for name in names:
        engine.add_instrument(share_of(name))
        bars = bars_of(folder, name)
        total += len(bars)
        engine.add_data(bars, sort=False)
    engine.sort_data()
    strategy = Crossover(nt.trading.StrategyConfig())
    strategy.names = names
    engine.add_strategy(strategy)
    engine.run()
    report(total, strategy.signals)


if __name__ == "__main__":
    main()
