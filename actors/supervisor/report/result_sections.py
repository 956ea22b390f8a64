"""The parts of the page on what strategies have come to: figures, by symbol, by hour, trades."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from actors.supervisor.console.text import DASH, count, plural
from actors.supervisor.report.elements import (
    Content,
    Markup,
    amount,
    element,
    money,
    part,
    price,
    ratio,
    section,
    signed_money,
    signed_part,
    span,
    table,
    words,
)
from actors.supervisor.report.local_axis import local_text

Json = dict[str, Any]
Writer = Callable[[Any], str]
WHOLE: Final[Mapping[str, tuple[str, Writer]]] = {
    "start_equity": ("start equity", money),
    "end_equity": ("end equity", money),
    "total_return": ("total return", signed_part),
    "cagr": ("growth in a year (CAGR)", signed_part),
    "time_in_market": ("time in the market", part),
    "average_exposure": ("average exposure", part),
    "turnover": ("turnover, times a year", ratio),
    "commissions": ("commissions", money),
    "slippage": ("slippage", money),
}
RISK: Final[Mapping[str, tuple[str, Writer]]] = {
    "returns": ("returns", count),
    "volatility": ("volatility, a year", part),
    "sharpe": ("Sharpe", ratio),
    "sortino": ("Sortino", ratio),
    "calmar": ("Calmar", ratio),
    "max_drawdown": ("max drawdown", part),
    "max_drawdown_sessions": ("longest drawdown, sessions", count),
    "max_drawdown_ns": ("longest drawdown", span),
}
TRADES: Final[Mapping[str, tuple[str, Writer]]] = {
    "count": ("trades", count),
    "pnl": ("profit", signed_money),
    "win_rate": ("win rate", part),
    "profit_factor": ("profit factor", ratio),
    "expectancy": ("expectancy a trade", signed_money),
    "average_win": ("average win", signed_money),
    "average_loss": ("average loss", signed_money),
    "sqn": ("system quality (SQN)", ratio),
    "kelly": ("Kelly", part),
}
TRADE_HEADERS: Final = (
    "symbol", "side", ">quantity", "entered", ">at", "left", ">at", ">profit", ">return", ">commissions"
)  # fmt: skip


def strategy_sections(document: Json) -> Iterator[Markup]:
    """Make a part for each strategy."""
    for place, strategy in enumerate(document["strategies"]):
        yield section(
            f"strategy-{place}",
            f"Strategy {strategy['name']}",
            *_content(strategy, ZoneInfo(document["timezone"])),
            note=strategy["target"],
        )


def _content(strategy: Json, zone: ZoneInfo) -> Iterator[Content]:
    found = strategy["statistics"]
    if found is None:
        yield element("p", "It has no result: the run ended before its tables were written.")
        return
    yield element(
        "div",
        _block("Result", _pairs(WHOLE, found)),
        _block("Return and risk", _risk(found)),
        _block("Trades that are over", _pairs(TRADES, found["trades"])),
        class_="columns",
    )
    if found["by_symbol"]:
        yield element("div", _symbols(found["by_symbol"]), _hours(found["by_hour"]), class_="columns")
    yield from _trades(strategy, zone)


def _block(title: str, content: Markup) -> Markup:
    return element("div", element("h3", title), content, class_="block")


def _pairs(figures: Mapping[str, tuple[str, Writer]], found: Json) -> Markup:
    return table(("", ">"), ((title, write(found[name])) for name, (title, write) in figures.items()))


def _risk(found: Json) -> Markup:
    rows = (
        (title, write(found["daily"][name]), write(found["intraday"][name]))
        for name, (title, write) in RISK.items()
    )
    return table(("figure", ">by session", ">by step"), rows)


def _symbols(rows: Sequence[Json]) -> Markup:
    cells = (
        (
            row["symbol"],
            count(row["trades"]),
            _gain(row["pnl"]),
            part(row["win_rate"]),
            money(row["commissions"]),
        )
        for row in rows
    )
    headers = ("symbol", ">trades", ">profit", ">win rate", ">commissions")
    return _block("By symbol", table(headers, cells, sorted_by_click=True))


def _hours(rows: Sequence[Json]) -> Markup:
    cells = ((f"{row['hour']:02}:00", count(row["trades"]), _gain(row["pnl"])) for row in rows)
    return _block("By hour of entry", table(("hour", ">trades", ">profit"), cells))


def _trades(strategy: Json, zone: ZoneInfo) -> Iterator[Content]:
    trades, total = strategy["trades"], strategy["trades_total"]
    yield element("h3", "Trades")
    if not trades and not strategy["open"]:
        yield element("p", "There were none.")
        return
    rows = [*(_trade(trade, zone) for trade in trades), *(_open(trade, zone) for trade in strategy["open"])]
    yield table(TRADE_HEADERS, rows, sorted_by_click=True)
    if len(trades) < total:
        text = f"The first {len(trades):,} of {plural(total, 'trade')}; all fills are in tables/trading/."
        yield element("p", text, class_="note")


def _trade(trade: Json, zone: ZoneInfo) -> Sequence[Content]:
    return (
        trade["symbol"], trade["side"], amount(trade["quantity"]),
        local_text(trade["entry_ts"], zone), price(trade["entry_price"]),
        local_text(trade["exit_ts"], zone), price(trade["exit_price"]),
        _gain(trade["pnl"]), signed_part(trade["return_on_entry"]), money(trade["commissions"]),
    )  # fmt: skip


def _open(trade: Json, zone: ZoneInfo) -> Sequence[Content]:
    return (
        trade["symbol"], trade["side"], amount(trade["quantity"]),
        local_text(trade["entry_ts"], zone), price(trade["average"]),
        "still held", DASH, DASH, DASH, money(trade["commissions"]),
    )  # fmt: skip


def _gain(value: float) -> Markup:
    """Write a profit; losses are coloured."""
    text = words(signed_money(value).replace("-", "\u2212"))
    return element("span", text, class_="loss") if value < 0 else text
