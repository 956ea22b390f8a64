"""What is compared: how each engine is started on a prepared workload, and what it says when it is done.

A peer is a script of `peers/` that is called with the folder of the workload and prints one line of JSON,
`{"bars": …, "signals": …}`. A peer with a store of its own fills it before, untimed, with `--prepare`.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from environments import Unavailable, environment
from workload import Workload, configuration, sessions

HERE: Final = Path(__file__).resolve().parent
LAUNCH: Final = HERE.parent / "scripts" / "launch.py"
STRATEGIES: Final = {
    "bar": "crossover_counter.py:CrossoverCounter",
    "bar of 5m or 15m": "crossover_counter.py:LongerBarsCounter",
    "step": "crossover_by_step.py:CrossoverByStep",
    "window": "crossover_by_window.py:CrossoverByWindow",
}


class Counted(NamedTuple):
    """What a run did."""

    bars: int
    signals: int


class SessionFlow(NamedTuple):
    """The project itself, as a user starts it."""

    handler: str
    inline: bool = False

    @property
    def name(self) -> str:
        """The row's name."""
        return f"SessionFlow, {'inline' if self.inline else 'processes'}, per {self.handler}"

    @property
    def version(self) -> str:
        """What was compared."""
        return "this checkout"

    def preparation(self, _folder: Path) -> tuple[str, ...] | None:
        """Nothing is to be made."""
        return None

    def command(self, folder: Path) -> tuple[str, ...]:
        """Run the configuration with this handler."""
        places = (str(folder / f"{self.handler}.json"), "--runs", str(folder / "runs"))
        inline = ("--inline",) if self.inline else ()
        return (sys.executable, str(LAUNCH), *places, "--json", *inline)

    def counted(self, document: dict[str, Any]) -> Counted:
        """Read the summary."""
        delivered = sum(counts["delivered"] for counts in document["bars"].values())
        return Counted(delivered, document["signals"]["emitted"])


class Peer(NamedTuple):
    """A script of `peers/`."""

    name: str
    script: str
    environment: str | None = None
    """The environment that it needs; None is the project's own."""
    needs: str = ""
    """What the environment's package must be, where an older one will not do."""
    has_store: bool = False

    @property
    def version(self) -> str:
        """What was compared."""
        return "" if self.environment is None else environment(self.environment).pins.package

    def preparation(self, folder: Path) -> tuple[str, ...] | None:
        """Fill the peer's own store, if it has one."""
        return (*self.command(folder), "--prepare") if self.has_store else None

    def command(self, folder: Path) -> tuple[str, ...]:
        """Run the script.

        Raises Unavailable.
        """
        return (self._python(), "-W", "ignore", str(HERE / "peers" / self.script), str(folder))

    def counted(self, document: dict[str, Any]) -> Counted:
        """Read the line."""
        return Counted(document["bars"], document["signals"])

    def _python(self) -> str:
        if self.environment is None:
            return sys.executable
        found = environment(self.environment)
        if self.needs and found.pins.package != self.needs:
            raise Unavailable(f"needs {self.needs}, which no Python here can run")
        return str(found.python)


Engine = SessionFlow | Peer

ENGINES: Final[tuple[Engine, ...]] = (
    SessionFlow("bar"),
    SessionFlow("bar of 5m or 15m"),
    SessionFlow("step"),
    SessionFlow("window"),
    SessionFlow("bar", inline=True),
    SessionFlow("step", inline=True),
    SessionFlow("window", inline=True),
    Peer("numpy columns, no events (the limit)", "columns.py"),
    Peer("plain event loop, deques", "event_loop.py"),
    Peer("NautilusTrader, Rust engine", "nautilus_rust.py", "nautilus", "nautilus_trader 1.231.0"),
    Peer("NautilusTrader, Python strategy", "nautilus_python.py", "nautilus"),
    Peer("backtrader", "backtrader_engine.py", "backtrader"),
    Peer("zipline-reloaded", "zipline_engine.py", "zipline", has_store=True),
    Peer("backtesting.py, symbol by symbol", "backtesting_engine.py", "backtesting"),
)
REFERENCE: Final = ENGINES[0]
"""What the ratios are to."""


def configure(folder: Path, workload: Workload) -> None:
    """Write a configuration for every handler beside the workload's own."""
    for handler, target in STRATEGIES.items():
        document = configuration(workload, sessions(workload.days))
        entry = {"name": "crossover", "strategy": f"{HERE}/{target}"}
        document["session_data_config"]["strategies"] = [entry]
        (folder / f"{handler}.json").write_text(json.dumps(document), encoding="utf-8")
