"""The examples of docs/trading.md, row by row, are what the desk does."""

import re
from pathlib import Path
from typing import Literal, NamedTuple, cast

import pytest

from actors.domain.trading.costs import Fixed
from actors.domain.trading.desk import APPROVED, Desk, DeskRules
from actors.domain.trading.matching import TradeBar
from actors.domain.trading.orders import Fill
from actors.domain.trading.risk import Limits
from protocol.messages import Signal

PAGE = Path(__file__).parents[3] / "docs" / "trading.md"
HEADER = "| bar | open | high | low | close | signal | fills | position | cash | equity |"
SIGNAL = re.compile(r"(BUY|SELL|CLOSE)(?: (\d+))?(?: stop ([\d.]+))?(?: limit ([\d.]+))?( session)?")
RULES = DeskRules(
    cash=10_000.0, limits=Limits(1e9, 1e9, 1e9, 10), commission=Fixed(model="fixed", amount=1.0)
)


class Row(NamedTuple):
    bar: str
    prices: tuple[str, ...]
    signals: str
    fills: str
    position: str
    cash: str
    equity: str


def examples() -> list[list[Row]]:
    tables = PAGE.read_text().split(HEADER)[1:]
    return [[row(line) for line in table.split("\n\n")[0].splitlines()[2:]] for table in tables]


def row(line: str) -> Row:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return Row(cells[0], tuple(cells[1:5]), *cells[5:])


def minute(bar: str) -> int:
    return int(bar) * 60


def signals(text: str, now: int) -> list[Signal]:
    found = []
    for part in filter(None, text.split(", ")):
        match = SIGNAL.fullmatch(part)
        assert match, part
        action, quantity, stop, limit, session = match.groups()
        prices = [None if price is None else float(price) for price in (limit, stop)]
        good_for: Literal["session", "cancelled"] = "session" if session else "cancelled"
        kind = cast("Literal['BUY', 'SELL', 'CLOSE']", action)
        found.append(Signal(now, "A", kind, float(quantity or 0), 1.0, "", prices[0], prices[1], good_for))
    return found


def written(fill: Fill) -> str:
    return f"{fill.quantity:+g} at {fill.price:g}"


def test_the_page_has_its_examples() -> None:
    assert [len(table) for table in examples()] == [7, 5, 7]


@pytest.mark.parametrize("table", examples(), ids=["long", "short", "half day"])
def test_each_row_of_an_example_is_what_the_desk_does(table: list[Row]) -> None:
    desk = Desk(RULES)
    for shown in table:
        fills: list[Fill] = []
        if shown.bar == "close":
            desk.end_session(240)
        else:
            bar = TradeBar(minute(shown.bar), *map(float, shown.prices), volume=1e6)
            fills = desk.take_bar("A", bar)
            for signal in signals(shown.signals, bar.close_ts):
                assert desk.submit(signal, 100.0, bar)[0].code == APPROVED
        assert ", ".join(map(written, fills)) == shown.fills
        portfolio = desk.portfolio
        found = (portfolio.quantity("A"), portfolio.cash, portfolio.equity)
        expected = tuple(map(float, (shown.position, shown.cash, shown.equity)))
        assert found == pytest.approx(expected)
