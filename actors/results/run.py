"""One run folder, read back."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from actors.domain.errors import DataError
from actors.domain.trading.statistics import Statistics, statistics_of
from actors.results.traded import Traded, market_of
from actors.runtime.store import read_stream, read_table, table_names

Json = dict[str, Any]
ArrowTable = Any
"""A `pyarrow.Table`, which has `to_pandas()`; `polars.from_arrow` takes it too."""


class Run:
    """One run folder. Nothing is read before it is asked for."""

    def __init__(self, folder: str | Path) -> None:
        """Name the folder, such as `runs/latest`.

        Raises DataError where it is no run folder.
        """
        self.folder = Path(folder).resolve()
        if not (self.folder / "status.json").is_file():
            raise DataError(
                f"{folder}: is no run folder, it has no status.json; `sessionflow runs` lists runs"
            )

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @cached_property
    def summary(self) -> Json:
        """What came of it; docs/run_folder.md describes it.

        Raises DataError where the run has not ended, or was killed before it could say.
        """
        return self._json("summary.json")

    @cached_property
    def status(self) -> Json:
        """How far it has come."""
        return self._json("status.json")

    @cached_property
    def plan(self) -> Json:
        """What it set out to do."""
        return self._json("plan.json")

    @cached_property
    def config(self) -> Json:
        """The configuration that was used."""
        return self._json("config.json")

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of its tables."""
        return table_names(self.folder / "tables")

    @property
    def streams(self) -> tuple[tuple[str, str], ...]:
        """The symbol and interval of every stream that was delivered, in the order of delivery."""
        served = (stream for stream in self.plan["streams"] if stream["label"] != "IGNORED")
        return tuple((stream["symbol"], stream["interval"]) for stream in served)

    def table(self, name: str) -> ArrowTable:
        """Read a table, such as `quality` or `signals`.

        Raises DataError where there is none of that name, or it cannot be read.
        """
        return read_table(self.folder / "tables", name)

    def bars(self, symbol: str, interval: str) -> ArrowTable:
        """Read the delivered bars of one stream, by time; history is not among them.

        Raises DataError where the run did not serve the stream.
        """
        return read_stream(self.folder / "tables", symbol, interval)

    def statistics(self, strategy: str) -> Statistics:
        """Compute the statistics of a strategy's trading; docs/statistics.md has the formulas.

        Raises DataError where the run has no tables of its trades: it failed, or has no such strategy.
        """
        traded = Traded(self, strategy)
        curve = traded.curve()
        if curve is None:
            names = ", ".join(spec["name"] for spec in self.plan["strategies"]) or "none"
            raise DataError(
                f"{self.folder} has no trades of a strategy {strategy!r}; its strategies: {names}"
            )
        return statistics_of(traded.result(curve), market_of(self.plan))

    def _json(self, name: str) -> Json:
        path = self.folder / name
        try:
            content: Json = json.loads(path.read_bytes())
        except FileNotFoundError:
            message = f"{path}: is not there; the run is going on, or was killed before it could write it"
            raise DataError(message) from None
        except ValueError as error:
            raise DataError(f"{path}: is damaged ({error})") from error
        return content


def list_runs(runs: str | Path = "runs") -> list[Run]:
    """List the runs below a folder, oldest first.

    Raises DataError where there is no such folder.
    """
    folder = Path(runs)
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder; start a run first, or say where runs are with --runs DIR")
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    return [Run(path) for path in found if (path / "status.json").is_file()]
