"""The quality of each symbol in each session; the worst of many symbols, and groups of many sessions."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from actors.results import Run
from actors.results.columns import columns_of

Json = dict[str, Any]
SYMBOLS_SHOWN: Final = 40
GROUPS_SHOWN: Final = 66
WHOLE: Final = 100.0


def build_heat_map(run: Run) -> Json | None:
    """Give scores by symbol and group of sessions; None where nothing was checked.

    A score is 100 * (expected - missing) / expected over all stored streams of the symbol; None for sessions
    that the run did not finish.
    """
    found = columns_of(run.table("quality")) if "quality" in run.tables else {}
    if not len(found.get("session", ())) or not run.plan["sessions"]:
        return None
    dates = [str(session["date"]) for session in run.plan["sessions"]]
    symbols = [symbol for symbol in run.plan["symbols"] if symbol in set(found["symbol"].tolist())]
    counts = np.zeros((2, len(symbols), len(dates)))
    for (symbol, _, date), row in _last_rows(found).items():
        if date in dates and symbol in symbols:
            place = symbols.index(symbol), dates.index(date)
            counts[0][place] += found["expected"][row]
            counts[1][place] += found["missing"][row]
    return _grouped(symbols, dates, counts)


def _last_rows(found: dict[str, np.ndarray[Any, Any]]) -> dict[tuple[str, str, str], int]:
    """Give the last row of each stream in each session."""
    keys = zip(*(found[name].tolist() for name in ("symbol", "interval", "session")), strict=True)
    return {key: row for row, key in enumerate(keys)}


def _grouped(symbols: Sequence[str], dates: Sequence[str], counts: np.ndarray[Any, Any]) -> Json:
    groups = np.array_split(np.arange(len(dates)), min(len(dates), GROUPS_SHOWN))
    summed = np.stack([counts[:, :, group].sum(axis=2) for group in groups], axis=2)
    expected, missing = summed
    worst = np.argsort(-missing.sum(axis=1) / np.maximum(expected.sum(axis=1), 1), kind="stable")[
        :SYMBOLS_SHOWN
    ]
    return {
        "groups": [[dates[group[0]], dates[group[-1]]] for group in groups],
        "symbols_total": len(symbols),
        "rows": [
            {
                "symbol": symbols[place],
                "scores": [_score(*pair) for pair in zip(expected[place], missing[place], strict=True)],
                "missing": missing[place].astype(int).tolist(),
            }
            for place in sorted(worst.tolist())
        ],
    }


def _score(expected: float, missing: float) -> float | None:
    return WHOLE * float(expected - missing) / float(expected) if expected else None
