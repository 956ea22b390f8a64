"""What trading costs: commissions beside the price, slippage within it. Each model is a small class.

A model is named in the configuration with its parameters. To add one, write a pydantic model with a method
`of` and enter it in `AnyCommission` or `AnySlippage`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

NotNegative = Annotated[float, Field(ge=0)]


class CostModel(BaseModel):
    """Parameters of a model: fixed names, exact types, unchangeable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Commission(Protocol):
    """What the broker charges for a fill."""

    def of(self, quantity: float, price: float) -> float:
        """Give the charge in money; `quantity` is above 0."""
        ...


class Slippage(Protocol):
    """How much worse than the touched price a market order is filled."""

    def of(self, quantity: float, price: float, volume: float) -> float:
        """Give the loss per share, in price, for a quantity above 0 in a bar of this volume."""
        ...


class NoCommission(CostModel):
    """Nothing."""

    model: Literal["none"] = "none"

    def of(self, quantity: float, price: float) -> float:  # noqa: ARG002  the port's
        """Give 0."""
        return 0.0


class PerShare(CostModel):
    """An amount per share, with a minimum per fill."""

    model: Literal["per_share"]
    amount: NotNegative
    minimum: NotNegative = 0.0

    def of(self, quantity: float, price: float) -> float:  # noqa: ARG002  the port's
        """Give quantity x amount, at least the minimum."""
        return max(self.minimum, self.amount * quantity)


class PerValue(CostModel):
    """A share of the traded value, in basis points, with a minimum per fill."""

    model: Literal["per_value"]
    bps: NotNegative
    minimum: NotNegative = 0.0

    def of(self, quantity: float, price: float) -> float:
        """Give value x bps / 10,000, at least the minimum."""
        return max(self.minimum, quantity * price * self.bps / 10_000)


class Fixed(CostModel):
    """An amount per fill."""

    model: Literal["fixed"]
    amount: NotNegative

    def of(self, quantity: float, price: float) -> float:  # noqa: ARG002  the port's
        """Give the amount."""
        return self.amount


class NoSlippage(CostModel):
    """Nothing."""

    model: Literal["none"] = "none"

    def of(self, quantity: float, price: float, volume: float) -> float:  # noqa: ARG002  the port's
        """Give 0."""
        return 0.0


class FixedSlippage(CostModel):
    """An amount per share."""

    model: Literal["fixed"]
    amount: NotNegative

    def of(self, quantity: float, price: float, volume: float) -> float:  # noqa: ARG002  the port's
        """Give the amount."""
        return self.amount


class BpsSlippage(CostModel):
    """A share of the price, in basis points."""

    model: Literal["bps"]
    bps: NotNegative

    def of(self, quantity: float, price: float, volume: float) -> float:  # noqa: ARG002  the port's
        """Give price x bps / 10,000."""
        return price * self.bps / 10_000


class VolumeShareSlippage(CostModel):
    """Grows with the square of the share that the order has of the bar's volume.

    Source of the formula: zipline's `VolumeShareSlippage`, price x impact x share squared.
    """

    model: Literal["volume_share"]
    impact: NotNegative = 0.1

    def of(self, quantity: float, price: float, volume: float) -> float:
        """Give price x impact x share squared; a bar without volume counts as a share of 1."""
        share = min(1.0, quantity / volume) if volume > 0 else 1.0
        return price * self.impact * share * share


AnyCommission = Annotated[NoCommission | PerShare | PerValue | Fixed, Field(discriminator="model")]
AnySlippage = Annotated[
    NoSlippage | FixedSlippage | BpsSlippage | VolumeShareSlippage, Field(discriminator="model")
]
_COMMISSIONS: Final[TypeAdapter[Commission]] = TypeAdapter(AnyCommission)
_SLIPPAGES: Final[TypeAdapter[Slippage]] = TypeAdapter(AnySlippage)


def commission_of(settings: Mapping[str, Any]) -> Commission:
    """Build a commission from its settings; none at all is no commission."""
    return _COMMISSIONS.validate_python(dict(settings)) if settings else NoCommission()


def slippage_of(settings: Mapping[str, Any]) -> Slippage:
    """Build a slippage from its settings; none at all is no slippage."""
    return _SLIPPAGES.validate_python(dict(settings)) if settings else NoSlippage()
