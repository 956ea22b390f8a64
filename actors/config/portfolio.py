"""How signals become trades: the section `portfolio`."""

from typing import Literal

from pydantic import Field

from actors.config.fields import Section
from actors.domain.trading.costs import AnyCommission, AnySlippage, NoCommission, NoSlippage


class PortfolioConfig(Section):
    """The simulated portfolio that every strategy has of its own."""

    initial_cash: float | None = Field(
        default=None, gt=0, description="Cash at the start; null is trading_config.max_buying_power."
    )
    min_quality: float = Field(
        default=95.0, ge=0, le=100, description="The session's score so far, below which signals are refused."
    )
    min_confidence: float = Field(
        default=0.0, ge=0, le=1, description="The confidence below which signals are refused."
    )
    fill: Literal["next_open", "close"] = Field(
        default="next_open", description="Where market orders are filled: the next open, or the step's close."
    )
    volume_share: float | None = Field(
        default=None, gt=0, le=1, description="The part of a bar's volume that may be traded; null for any."
    )
    commission: AnyCommission = Field(default=NoCommission(), description="What a fill is charged.")
    slippage: AnySlippage = Field(
        default=NoSlippage(), description="How much worse than the market orders are filled."
    )
