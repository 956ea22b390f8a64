"""Open a desk as a plan says."""

from actors.domain.session_plan import Trading
from actors.domain.trading.costs import commission_of, slippage_of
from actors.domain.trading.desk import Desk, DeskRules
from actors.domain.trading.risk import Limits


def open_desk(trading: Trading) -> Desk:
    """Give a desk with its cash, limits and costs."""
    limits = Limits(
        max_buying_power=trading.max_buying_power,
        max_per_trade=trading.max_per_trade,
        max_per_symbol=trading.max_per_symbol,
        max_open_positions=trading.max_open_positions,
        min_quality=trading.min_quality,
        min_confidence=trading.min_confidence,
    )
    rules = DeskRules(
        cash=trading.initial_cash or trading.max_buying_power,
        limits=limits,
        fill=trading.fill,
        volume_share=trading.volume_share,
        commission=commission_of(trading.commission),
        slippage=slippage_of(trading.slippage),
    )
    return Desk(rules)
