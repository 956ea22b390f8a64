"""The checks that a signal has to pass, in order; the first that fails gives its reason.

A trade that only brings a position nearer to 0 passes the four limits: who holds a position may leave it.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

Reason = Literal[
    "QUALITY",
    "CONFIDENCE",
    "NOTHING_TO_CLOSE",
    "NO_PRICE",
    "BUYING_POWER",
    "PER_TRADE",
    "PER_SYMBOL",
    "OPEN_POSITIONS",
]


class Limits(NamedTuple):
    """What is allowed; money in the prices' currency."""

    max_buying_power: float
    max_per_trade: float
    max_per_symbol: float
    max_open_positions: int
    min_quality: float = 95.0
    """The score of the symbol's session so far, in percent."""
    min_confidence: float = 0.0


class Proposal(NamedTuple):
    """A signal, and what it would lead to; money at the price at hand."""

    quality: float
    confidence: float
    quantity: float
    """What would be traded, signed."""
    price: float | None
    """The order's limit, or else the newest close; None before the symbol's first bar."""
    held: float
    """The position, signed."""
    waiting: float
    """What open orders would add to the position on the same side, not signed."""
    exposure: float
    """Of all positions and of all open orders that would increase one."""
    positions: int
    """Symbols that are held or that an open order would open."""
    opens: bool
    """Whether the symbol is none of these."""

    @property
    def reduces(self) -> bool:
        """Whether the position would only come nearer to 0."""
        return self.quantity * self.held < 0 and abs(self.quantity) <= abs(self.held)

    @property
    def worth(self) -> float:
        """Of the trade."""
        return abs(self.quantity) * (self.price or 0.0)


class Refusal(NamedTuple):
    """Why a signal becomes no order."""

    reason: Reason
    detail: str


def refusal(proposal: Proposal, limits: Limits) -> Refusal | None:
    """Give the first check that a proposal fails; None where it passes all of them."""
    return next(_refusals(proposal, limits), None)


def _refusals(proposal: Proposal, limits: Limits) -> Iterator[Refusal]:
    if proposal.quality < limits.min_quality:
        yield Refusal("QUALITY", f"quality {proposal.quality:.2f} < {limits.min_quality:g}")
    if proposal.confidence < limits.min_confidence:
        yield Refusal("CONFIDENCE", f"confidence {proposal.confidence:g} < {limits.min_confidence:g}")
    if proposal.quantity == 0:
        yield Refusal("NOTHING_TO_CLOSE", "there is no position")
    if proposal.price is None:
        yield Refusal("NO_PRICE", "the symbol has had no bar yet, and the order has no limit")
    if not proposal.reduces:
        yield from _over_limits(proposal, limits)


def _over_limits(proposal: Proposal, limits: Limits) -> Iterator[Refusal]:
    after = proposal.exposure + proposal.worth
    if after > limits.max_buying_power:
        yield Refusal("BUYING_POWER", f"exposure would be {after:.2f} > {limits.max_buying_power:g}")
    if proposal.worth > limits.max_per_trade:
        yield Refusal("PER_TRADE", f"the trade is worth {proposal.worth:.2f} > {limits.max_per_trade:g}")
    in_symbol = _after(proposal) * (proposal.price or 0.0)
    if in_symbol > limits.max_per_symbol:
        yield Refusal(
            "PER_SYMBOL", f"the position would be worth {in_symbol:.2f} > {limits.max_per_symbol:g}"
        )
    if proposal.opens and proposal.positions >= limits.max_open_positions:
        yield Refusal("OPEN_POSITIONS", f"{proposal.positions} of {limits.max_open_positions} are open")


def _after(proposal: Proposal) -> float:
    """Give the size of the position with this trade and all that waits on its side."""
    direction = 1.0 if proposal.quantity > 0 else -1.0
    return abs(proposal.held + proposal.quantity + direction * proposal.waiting)
