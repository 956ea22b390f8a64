"""Names that become the names of files, topics and processes cannot lead out of where they belong."""

import copy
import re
from pathlib import PurePosixPath
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config import parse_config
from actors.domain.errors import ConfigError

Document = dict[str, Any]
DOCUMENT: Final[Document] = {
    "session_name": "Two days",
    "exchange_group": "US_EQUITY",
    "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-03"},
    "session_data_config": {"symbols": ["AAPL"], "streams": ["1m"]},
    "trading_config": {
        "max_buying_power": 1000,
        "max_per_trade": 100,
        "max_per_symbol": 200,
        "max_open_positions": 2,
    },
}
FIGURE: Final = {"type": "trailing_average", "period": "5d", "field": "volume"}
OUTSIDE: Final = (
    "../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:x",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "a b",
    ".hidden",
    "-rf",
    "~root",
    "a" * 200,
    "%2e%2e",
    "\u202ea",
    "\uff41",
)
texts = st.text(max_size=40) | st.text("./\\a0-_~%\0 ", max_size=8) | st.sampled_from(OUTSIDE)


def with_symbol(name: str) -> Document:
    document = copy.deepcopy(DOCUMENT)
    document["session_data_config"]["symbols"] = [name]
    return document


def with_strategy(name: str) -> Document:
    document = copy.deepcopy(DOCUMENT)
    entry = {"name": name, "strategy": "actors.strategies.sma_crossover:SmaCrossover"}
    document["session_data_config"]["strategies"] = [entry]
    return document


def with_figure(name: str) -> Document:
    document = copy.deepcopy(DOCUMENT)
    document["session_data_config"]["historical"] = {"indicators": {name: FIGURE}}
    return document


MAKERS: Final = {"symbol": with_symbol, "strategy": with_strategy, "figure": with_figure}


def refusal(document: Document) -> str | None:
    try:
        parse_config(document)
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", OUTSIDE, ids=repr)
def test_a_name_that_could_lead_elsewhere_is_refused_with_its_place(kind: str, name: str) -> None:
    message = refusal(MAKERS[kind](name))
    assert message is not None
    assert "session_data_config." in message


@pytest.mark.parametrize("kind", MAKERS)
@given(name=texts)
def test_every_name_that_is_let_pass_is_one_plain_component_of_a_path(kind: str, name: str) -> None:
    if refusal(MAKERS[kind](name)) is None:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", name)
        assert PurePosixPath("x", name).parent == PurePosixPath("x")
        assert PurePosixPath("x", name).name == name


@pytest.mark.parametrize("kind", MAKERS)
def test_plain_names_are_let_pass(kind: str) -> None:
    assert refusal(MAKERS[kind]("a1")) is None


@given(text=texts)
def test_a_session_may_be_called_anything_that_is_one_line_of_text(text: str) -> None:
    harmless = bool(text.strip()) and text.isprintable() and len(text) <= 100
    assert (refusal({**DOCUMENT, "session_name": text}) is None) == harmless
