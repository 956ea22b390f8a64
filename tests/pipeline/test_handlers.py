"""A strategy may be written bar by bar or step by step: what it does is the same."""

from typing import Final

from tests.pipeline.conftest import Configure, Runner, WriteStrategy, read_rows

TRADES: Final = """
class Trader(Strategy):
    def needs(self):
        return Needs(intervals=("1m", "5m"))

    def trade(self, ctx, symbol, interval, close):
        cents = int(round(close * 100))
        if cents % 5 == 0:
            action = ("BUY", "SELL", "CLOSE")[cents % 3]
            stop = close * (1.002 if action == "BUY" else 0.998) if cents % 2 else None
            quantity = 0 if action == "CLOSE" else 1 + cents % 7
            ctx.signal(symbol, action, quantity, reason=f"{interval} closed at {close}", stop=stop)

    def on_fill(self, ctx, fill):
        if fill.quantity > 5:
            ctx.signal(fill.symbol, "CLOSE", limit=fill.price * 1.001, good_for="session", reason="enough")
"""
BY_BAR: Final = f"""{TRADES}

class Subject(Trader):
    def on_bar(self, ctx, bar):
        self.trade(ctx, bar.symbol, bar.interval, bar.close)
"""
BY_STEP: Final = f"""{TRADES}

class Subject(Trader):
    def on_step(self, ctx, step):
        for interval in ("1m", "5m"):
            bars = step.of(interval)
            for place, close in zip(bars.symbol_index.tolist(), bars.close.tolist()):
                self.trade(ctx, ctx.symbols[place], interval, close)
"""
BY_WINDOW: Final = f"""{TRADES}

class Subject(Trader):
    def needs(self):
        return Needs(intervals=("1m", "5m"), window="1m")

    def on_window(self, ctx, window):
        for interval in ("1m", "5m"):
            for closes in window.matrix(interval)[1].tolist():
                for symbol, close in zip(ctx.symbols, closes):
                    if close == close:
                        self.trade(ctx, symbol, interval, close)
"""


def test_by_bar_by_step_and_by_window_in_one_process_and_in_several_all_is_the_same(
    run: Runner, configure: Configure, write_strategy: WriteStrategy
) -> None:
    found = []
    for body in (BY_BAR, BY_STEP, BY_WINDOW):
        path = configure({"session_data_config": {"strategies": [write_strategy("mine", body)]}})
        for options in ((), ("--inline", "--window-steps", "7")):
            ended = run(path, *options)
            assert ended.exit_code == 0, ended.stderr
            signals = read_rows(ended.run_folder / "tables" / "signals.parquet")
            found.append((ended.summary["digest"], ended.summary["results"], signals))
    assert all(other == found[0] for other in found[1:])
    _, results, signals = found[0]
    assert len(signals) > 100
    assert {signal["reason"][:2] for signal in signals} == {"1m", "5m", "en"}
    assert results["mine"]["fills"] > 20
    assert len(results["mine"]["digest"]) > 0
