"""What a run will do, decided before anything starts: sessions, streams, history, strategies, settings.

The planner makes it, `plan.json` holds it, and it is all that an actor is told. Instants are ns UTC.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final, Literal

import msgspec

from actors.domain.indicator_key import indicator_key
from actors.domain.intervals import Interval
from protocol.messages import Level

PLAN_VERSION: Final = 1
Label = Literal["STREAMED", "GENERATED", "IGNORED"]
Unit = Literal["bars", "sessions"]
HistoricalKind = Literal[
    "trailing_average",
    "trailing_max",
    "trailing_min",
    "avg_volume",
    "avg_range",
    "atr_daily",
    "gap_stats",
    "range_ratio",
    "high_low",
]
PartKind = Literal["regular", "pre", "post"]
"""Regular hours, and the extended ones before and after them."""


class PlanPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A piece of the plan: a JSON object. It is part of no cycle, so the garbage collector need not look."""


class Hours(PlanPart, frozen=True):
    """An unbroken stretch of trading within a session: `[open_ns, close_ns)` on open stamps."""

    open_ns: int
    close_ns: int
    kind: PartKind = "regular"
    anchor_ns: int | None = None
    """From where bins within it are counted; None is its own open."""


class Session(PlanPart, frozen=True):
    """One trading day."""

    index: int
    """0 is the first session of the run; history counts down from -1."""
    date: str
    kind: Literal["full", "half"]
    open_ns: int
    close_ns: int
    parts: tuple[Hours, ...]
    """One, or more where there are breaks."""
    previous_close_ns: int
    """The close of the session before; rows stored between it and the open are outside the session."""
    ordinal: int = 0
    """How many sessions the calendar has before this one, counted from 1990 or from its own first day."""
    next_date: str = ""
    """The date of the session after this one; empty where the calendar ends."""

    @property
    def regular(self) -> tuple[Hours, ...]:
        """The parts that are regular hours; there is at least one."""
        return tuple(part for part in self.parts if part.kind == "regular")


class Stream(PlanPart, frozen=True):
    """One (symbol, interval). Ids count up by interval length, then by the symbols' order."""

    id: int
    symbol: str
    interval: str
    label: Label
    reason: str
    base: int | None = None
    """For GENERATED: the id of the stream it is computed from."""
    history_sessions: int = 0
    """How many trailing sessions are kept before each session."""
    lead_sessions: int = 0
    """For STREAMED: how many sessions before those are read too, in which longer bars begin."""
    skipped: tuple[int, ...] = ()
    """For STREAMED: the sessions of the run that are left out, for want of stored bars."""
    filled_from: str = ""
    """For STREAMED: the stored finer interval from which missing bars are rebuilt; empty where none are."""

    @property
    def sessions_read(self) -> int:
        """How many sessions before the run's first are read."""
        return self.history_sessions + self.lead_sessions

    def is_read_in(self, session: int) -> bool:
        """Whether a STREAMED stream is read in the session of this index."""
        return session >= -self.sessions_read and session not in self.skipped

    def trailing(self, session: int) -> range:
        """Give the sessions that are history of one; for the run's first, all that are read before it."""
        reach = self.history_sessions if session else self.sessions_read
        return range(session - reach, session)

    @property
    def length_ns(self) -> int:
        """Nominal length of a bar."""
        return Interval.parse(self.interval).length_ns


class Stored(PlanPart, frozen=True):
    """What storage holds of one STREAMED stream in one session (history included)."""

    stream: int
    session: int
    expected: int
    rows: int
    """All rows, good or bad."""
    on_grid: int
    """Distinct expected bars that have a row."""


class StrategySpec(PlanPart, frozen=True):
    """One strategy, run by one analysis actor."""

    name: str
    actor: str
    target: str
    """`module:Class`, or `file.py:Class` with an absolute path."""
    params: Mapping[str, Any]
    on_error: Literal["stop", "skip"] = "stop"
    indicators: tuple["IndicatorSpec", ...] = ()


class IndicatorSpec(PlanPart, frozen=True):
    """An indicator on every symbol's stream of one interval."""

    name: str
    interval: str
    params: Mapping[str, int | float]

    @property
    def key(self) -> str:
        """The name strategies ask for, such as `sma_20_5m`, made of the params as they are written."""
        return indicator_key(self.name, self.interval, self.params)


class HistoricalSpec(PlanPart, frozen=True):
    """A figure over the last sessions before each session of the run."""

    key: str
    """The name strategies ask for, such as `avg_volume_20d`."""
    kind: HistoricalKind
    sessions: int
    """The period."""
    symbols: tuple[str, ...]
    field: str = ""
    """For the trailing kinds: `open`, `high`, `low`, `close` or `volume`."""
    by_minute: bool = False
    """Whether there is one value for every minute of the session."""
    skip_early_close: bool = False
    """Whether half days are passed over."""

    @property
    def interval(self) -> str:
        """The bars it is computed from."""
        return "1m" if self.by_minute else "1d"

    @property
    def sessions_needed(self) -> int:
        """How many sessions it looks at: one more than the period where each is held against the last."""
        return self.sessions + (self.kind in ("gap_stats", "atr_daily"))


class Warmup(PlanPart, frozen=True):
    """What an indicator needs before its first value, and what history gives it."""

    indicator: str
    symbol: str
    bars_needed: int
    bars_in_history: int
    unit: Unit = "bars"
    """What both count: bars, or sessions with a bar for figures of whole sessions."""


class Restarts(PlanPart, frozen=True):
    """How often an actor whose process was killed or stalled is started again."""

    limit: int = 3
    """Within the period, for each actor; 0 never."""
    period_s: float = 60.0
    backoff_s: float = 0.2
    """Before the second restart within the period; doubled for each further one."""
    policy: Mapping[str, Literal["restart", "fail", "drop"]] = msgspec.field(default_factory=dict)
    """By role; what is not named here is restarted."""


class Flow(PlanPart, frozen=True):
    """How windows are cut and paced. Nothing here may change a result."""

    window_steps: int | None = None
    """Steps per window; None cuts by rows."""
    window_rows: int = 8192
    credit: int = 8
    prefetch_sessions: int = 1
    speed: float = 0.0
    """0 is as fast as members acknowledge; 60 plays a minute in a second."""
    heartbeat_s: float = 0.5
    stall_s: float = 30.0
    """Silence of an actor after which it counts as stalled."""
    restarts: Restarts = Restarts()
    paused: bool = False
    """Whether the clock waits, before the first step, to be told to go."""


class Remote(PlanPart, frozen=True):
    """Where observers on other machines listen, and with which keys."""

    observe: str
    keys: str
    """Absolute path of the folder; left out of what the run folder keeps."""


class Rules(PlanPart, frozen=True):
    """Settings that do change results."""

    min_coverage: float = 0.0
    jump_ratio: float = 2.0
    catchup_threshold_s: float = 60.0
    history_quality_enabled: bool = True
    """False: history is taken as it stands, and its quality is said to be 100 (assumed)."""


class Trading(PlanPart, frozen=True):
    """The limits of `trading_config`, and how orders are filled."""

    max_buying_power: float
    max_per_trade: float
    max_per_symbol: float
    max_open_positions: int
    initial_cash: float = 0.0
    min_quality: float = 95.0
    min_confidence: float = 0.0
    fill: Literal["next_open", "close"] = "next_open"
    volume_share: float | None = None
    commission: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """A model of `actors.domain.trading.costs` with its parameters."""
    slippage: Mapping[str, Any] = msgspec.field(default_factory=dict)


class ActionFile(PlanPart, frozen=True):
    """The file of corporate actions that was applied."""

    name: str
    """Without its folder."""
    sha256: str
    """Of its bytes."""


class Adjustment(PlanPart, frozen=True):
    """What one corporate action does to the stored bars of the sessions before its ex-date."""

    symbol: str
    date: str
    """The ex-date."""
    split: float
    """New shares per old one; 1 where there is no split."""
    dividend: float
    price_factor: float
    """Of this action alone; those of later ones come on top."""
    volume_factor: float


class SessionPlan(PlanPart, frozen=True, dict=True, gc=True):
    """The whole plan."""

    version: int
    name: str
    calendar: str
    timezone: str
    first_date: str
    """As configured; the first session may come later."""
    last_date: str
    """As configured; the last session may come earlier."""
    catalog: str
    """Absolute path; left out of what the run folder keeps."""
    symbols: tuple[str, ...]
    sessions: tuple[Session, ...]
    history: tuple[Session, ...]
    """Earliest first."""
    holidays: tuple[str, ...]
    """Weekdays without a session between the first and the last date, with their dates."""
    streams: tuple[Stream, ...]
    stored: tuple[Stored, ...]
    warmups: tuple[Warmup, ...]
    strategies: tuple[StrategySpec, ...]
    warnings: tuple[str, ...]
    flow: Flow
    rules: Rules
    trading: Trading
    log_steps: bool = True
    log_level: Level = "INFO"
    log_file_bytes: int = 64 * 2**20
    """How long a log file may become."""
    log_keep: int = 15
    """How many full files of each log are kept besides the newest."""
    indicator_tables: bool = False
    """Whether analysis engines write down what their indicators gave."""
    before: Session | None = None
    """The session before all of these, whose last closes tell jumps over night; None where none is known."""
    historical: tuple[HistoricalSpec, ...] = ()
    """What is computed from trailing sessions before every session."""
    corporate_actions: ActionFile | None = None
    """None: prices are as they are stored."""
    adjustments: tuple[Adjustment, ...] = ()
    """By symbol, in the run's order, then by date: all of the file's that a price of the run is before."""
    remote: Remote | None = None
    """None: nothing of the run is reachable from another machine."""

    @cached_property
    def served(self) -> tuple[Stream, ...]:
        """The streams that will be delivered, by id; `served[i].id == i`."""
        return tuple(stream for stream in self.streams if stream.label != "IGNORED")

    @cached_property
    def base_streams(self) -> tuple[Stream, ...]:
        """The STREAMED ones, by id."""
        return tuple(stream for stream in self.served if stream.label == "STREAMED")

    def session(self, index: int) -> Session:
        """Look a session up by its index; negative ones are history."""
        return self.sessions[index] if index >= 0 else self.history[index]

    def session_before(self, index: int) -> Session | None:
        """Give the session before the one of this index; None where none is known."""
        return self.before if index == -len(self.history) else self.session(index - 1)

    def stream_id(self, symbol: str, interval: str) -> int:
        """Look a served stream up.

        Raises KeyError where the run does not serve it.
        """
        return self._ids[symbol, interval]

    @cached_property
    def _ids(self) -> dict[tuple[str, str], int]:
        return {(stream.symbol, stream.interval): stream.id for stream in self.served}
