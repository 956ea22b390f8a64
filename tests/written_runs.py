"""Run folders written by hand, for tests of those who read one: random walks, and what else is asked for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actors.domain.session_plan import SessionPlan, StrategySpec, Stream
from actors.supervisor.summary import Failure, Outcome, build_summary
from protocol.messages import Finished, StreamTotal, Verdict
from tests.plans import DAY, MINUTE, OPEN, make_plan, make_session

CASH: Final = 100_000.0
INSTANT: Final = pa.timestamp("ns", "UTC")
LENGTHS: Final = {"1m": 1, "5m": 5}


class WrittenRun:
    """A run folder under way: plan, summary and tables of some sessions, symbols and strategies."""

    def __init__(self, folder: Path, symbols: Sequence[str], sessions: int = 1, minutes: int = 390) -> None:
        """Write status and configuration; the rest with `write`."""
        self.folder, self.symbols, self.minutes = folder, symbols, minutes
        self.strategies: list[str] = []
        self.dates = [
            str(np.datetime64(OPEN + n * DAY, "ns").astype("datetime64[D]")) for n in range(sessions)
        ]
        (folder / "tables").mkdir(parents=True)
        self._write("status.json", {"run": folder.name, "state": "done"})
        self._write("config.json", {"session_name": "test"})

    def write(
        self,
        *,
        intervals: Sequence[str] = ("1m", "5m"),
        failure: Failure | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """Write the plan and the summary; a run with a failure has no verdict."""
        named = [(symbol, interval) for interval in intervals for symbol in self.symbols]
        streams = [
            Stream(n, symbol, interval, "STREAMED" if interval == intervals[0] else "GENERATED", "asked for")
            for n, (symbol, interval) in enumerate(named)
        ]
        plan = make_plan(
            [make_session(n, self.minutes, date) for n, date in enumerate(self.dates)],
            streams,
            strategies=tuple(StrategySpec(name, f"analysis-{name}", "x:Y", {}) for name in self.strategies),
            warnings=tuple(warnings),
        )
        self._write("plan.json", msgspec.to_builtins(plan))
        status = "failed" if failure else "done"
        outcome = Outcome(
            run=self.folder.name, status=status, exit_code=3 if failure else 0, wall_s=2.5,
            sessions_done=0 if failure else len(self.dates), failure=failure,
        )  # fmt: skip
        self._write("summary.json", build_summary(plan, None if failure else self._verdict(plan), outcome))

    def add_bars(self, interval: str = "1m", seed: int = 1) -> None:
        """Write a random walk for every symbol."""
        for number, symbol in enumerate(self.symbols):
            columns = walk(self.dates, self.minutes, LENGTHS[interval], np.random.default_rng(seed + number))
            folder = f"bars/interval={interval}/symbol={quote(symbol, safe='')}"
            self.add_table(f"{folder}/part-00000", columns)

    def add_strategy(self, name: str, fills: Sequence[Mapping[str, Any]] = (), seed: int = 7) -> None:
        """Write the tables of a strategy, with an equity that is a random walk too."""
        self.strategies.append(name)
        stamps = self.steps()
        equity = CASH + np.cumsum(np.random.default_rng(seed).normal(0, 20, len(stamps))).round(2)
        noughts = np.zeros(len(stamps))
        self.add_table(f"trading/{name}/equity", {
            "session": np.repeat(self.dates, self.minutes), "event_ts": stamps, "equity": equity,
            "cash": equity,
            "exposure": noughts, "realised": noughts, "commissions": noughts,
            "positions": noughts.astype(np.int64),
        })  # fmt: skip
        names = ("session", "event_ts", "order", "symbol", "quantity", "price", "commission", "slippage")
        self.add_table(f"trading/{name}/fills", {key: [fill[key] for fill in fills] for key in names})

    def steps(self) -> Any:  # noqa: ANN401  an array
        """Give the close of every minute of every session."""
        days = [OPEN + day * DAY + np.arange(1, self.minutes + 1) * MINUTE for day in range(len(self.dates))]
        return np.concatenate(days).astype(np.int64)

    def add_table(self, name: str, columns: Mapping[str, Any]) -> None:
        """Write one table; columns that end in `_ts` are instants."""
        path = self.folder / "tables" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            key: _instants(values) if key.endswith("_ts") else _plain(values)
            for key, values in columns.items()
        }
        pq.write_table(pa.table(arrays), path)

    def _verdict(self, plan: SessionPlan) -> Finished:
        totals = tuple(
            StreamTotal(stream=stream.id, bars=10, expected=10, received=10, missing=0, duplicates=0,
                        rejected=0, gaps=0)
            for stream in plan.streams
        )  # fmt: skip
        verdict = Verdict(
            approved=0, refused={}, orders=0, fills=0, start_equity=CASH, equity=CASH, realised=0.0,
            commissions=0.0, positions=0, digest="",
        )  # fmt: skip
        return Finished(
            interrupted=False, bars=10, data_digest="d", stream_digest="s", signals_digest="g", signals={},
            phase_wall_ns={}, streams=totals, suppressed=0, lag_ns=0,
            verdicts={f"analysis-{name}": verdict for name in self.strategies},
        )  # fmt: skip

    def _write(self, name: str, content: Any) -> None:  # noqa: ANN401  JSON
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")


def walk(dates: Sequence[str], minutes: int, length: int, random: np.random.Generator) -> dict[str, Any]:
    """Make bars of `length` minutes for each session."""
    each = minutes // length
    opens = np.concatenate(
        [OPEN + day * DAY + np.arange(each) * length * MINUTE for day in range(len(dates))]
    )
    closes = (200 + np.cumsum(random.normal(0, 0.05, len(opens)))).round(2)
    before = np.concatenate(([200.0], closes[:-1]))
    return {
        "session": np.repeat(dates, each),
        "open_ts": opens,
        "close_ts": opens + length * MINUTE,
        "open": before,
        "high": (np.maximum(before, closes) + random.exponential(0.05, len(opens))).round(2),
        "low": (np.minimum(before, closes) - random.exponential(0.05, len(opens))).round(2),
        "close": closes,
        "volume": random.integers(1_000, 400_000, len(opens)).astype(np.float64),
        "n_base": np.full(len(opens), length, np.int32),
        "n_expected": np.full(len(opens), length, np.int32),
        "flags": np.zeros(len(opens), np.int32),
    }


def _instants(values: Any) -> pa.Array:  # noqa: ANN401  an array or a list
    return pa.array(np.asarray(values, np.int64).tolist(), INSTANT)


def _plain(values: Any) -> pa.Array:  # noqa: ANN401  an array or a list
    if isinstance(values, np.ndarray) and values.dtype.kind in "fi":
        return pa.array(values)
    return pa.array(list(values), None if len(values) else pa.string())
