"""Every message that crosses a process border. `docs/protocol.md` is this module in prose.

On the wire a message is a MessagePack array: its tag (the class name), then the fields in the order below.
Integers named `…_ns` and `…_ts` are nanoseconds since 1970 UTC; windows are numbered from 0 over the whole
run; a session index is negative for history (-1 is the session before the first one).
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from protocol.blocks import BarBlock, FloatBlock, QualityBlock, TimeBlock

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Instant = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
SessionIndex = Annotated[int, msgspec.Meta(ge=-100_000, le=1_000_000)]
StreamId = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9][a-z0-9_-]*\Z")]
Text = Annotated[str, msgspec.Meta(max_length=65_536)]
Label = Annotated[str, msgspec.Meta(max_length=256)]
Finite = Annotated[float, msgspec.Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)]
DefectKind = Literal[
    "duplicate_same",
    "duplicate_conflict",
    "out_of_order",
    "off_grid",
    "outside_session",
    "bad_ohlc",
    "jump",
]
PhaseNumber = Annotated[int, msgspec.Meta(ge=1, le=6)]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
SteerAction = Literal["pause", "resume", "step", "until", "speed", "stop"]


class Part(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A piece inside a message: an array without a tag."""


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=True, gc=False):
    """A whole message: an array whose first element is its class name."""


class Defect(Part, frozen=True):
    """A stored row that is wrong or superfluous, or a stretch of them, and where it stands in storage."""

    stream: StreamId
    kind: DefectKind
    known_ts: Instant
    """The step with which it becomes known."""
    open_ts: Instant
    """That of the first row."""
    file: Label
    row: Count
    """Zero-based row within the file; the first, where there are several."""
    detail: Label
    rows: Count = 1
    """How many consecutive rows of the file it covers; everything that counts defects counts these."""

    @property
    def span(self) -> str:
        """Name its rows: `row 7`, or `rows 7 to 9`."""
        return f"row {self.row}" if self.rows == 1 else f"rows {self.row} to {self.row + self.rows - 1}"


class Gap(Part, frozen=True):
    """A run of missing bars of one stream."""

    stream: StreamId
    from_ts: Instant
    """`open_ts` of the first missing bar."""
    to_ts: Instant
    """`close_ts` of the last missing bar."""
    count: Count
    known_ts: Instant
    """The step that showed it: the next bar's, or the session's last."""


class StreamLoad(Part, frozen=True):
    """How many rows storage held for one stream and session."""

    stream: StreamId
    rows: Count
    delivered: Count


class Signal(Part, frozen=True):
    """What a strategy wants done, at one event time."""

    event_ts: Instant
    symbol: Label
    action: Literal["BUY", "SELL", "CLOSE"]
    quantity: Finite
    confidence: Finite
    reason: Text
    limit: Finite | None = None
    """The worst price that the order may take."""
    stop: Finite | None = None
    """The price at which the order comes to life."""
    good_for: Literal["session", "cancelled"] = "cancelled"
    """How long the order waits."""


class Verdict(Part, frozen=True):
    """What became of one strategy's signals, in figures; money in the prices' currency."""

    approved: Count
    refused: Mapping[Label, Count]
    """By reason code."""
    orders: Count
    fills: Count
    start_equity: Finite
    equity: Finite
    realised: Finite
    """Profit of all that was closed, commissions not counted."""
    commissions: Finite
    positions: Count
    """Held at the end."""
    digest: Label
    """Of the portfolio after every step and of all fills."""
    failure: Text = ""
    """What stopped the strategy; empty where nothing did."""
    failed_ts: Instant | None = None
    """The step at which it was stopped."""


class Figure(Part, frozen=True):
    """A historical indicator of one symbol, as it stands for a session."""

    key: Label
    symbol: Label
    fields: tuple[Label, ...]
    """What the values are called where they are different things, such as `high` and `low`."""
    values: FloatBlock
    """One; one per field; or one per minute of the session's regular hours. Empty where there is a reason."""
    reason: Label
    """Why there is no value; empty where there is one."""


# from loader to coordinator (ingest)


class SessionBars(Message, frozen=True):
    """Valid bars of some streams of one session, each stream sorted; several of them make a session."""

    session: SessionIndex
    block: BarBlock
    defects: tuple[Defect, ...]


class LoadReport(Message, frozen=True):
    """One session is complete; no more `SessionBars` follow for it."""

    session: SessionIndex
    loads: tuple[StreamLoad, ...]
    elapsed_ns: Count


class LoadFailed(Message, frozen=True):
    """Storage could not be read; the run cannot go on."""

    session: SessionIndex
    reason: Text


# from coordinator to everyone (stream)


class RawWindow(Message, frozen=True):
    """Consecutive steps of one session, before derived bars and quality. Topic `raw`."""

    seq: Count
    session: SessionIndex
    first: bool
    """Whether the session begins with this window."""
    last: bool
    """Whether the session ends with this window."""
    steps: TimeBlock
    block: BarBlock
    """Base bars by (close_ts, stream)."""
    defects: tuple[Defect, ...]


class SealedWindow(Message, frozen=True):
    """The same steps, complete and final. Topic `sealed`."""

    seq: Count
    session: SessionIndex
    first: bool
    last: bool
    steps: TimeBlock
    block: BarBlock
    """Base and derived bars by (close_ts, stream)."""
    quality: QualityBlock
    gaps: tuple[Gap, ...]
    defects: tuple[Defect, ...]
    figures: tuple[Figure, ...] = ()
    """The session's historical indicators; only in its first window."""
    suppressed: Count = 0
    """Derived bars held back for want of coverage, in this window."""


class Signals(Message, frozen=True):
    """The signals of one actor in one window. Topic `signal`."""

    actor: Name
    seq: Count
    signals: tuple[Signal, ...]


class PhaseEvent(Message, frozen=True):
    """A phase begins or is complete. Topic `phase`."""

    session: SessionIndex
    phase: PhaseNumber
    state: Literal["started", "complete"]
    elapsed_ns: Count
    """Wall time since the run began."""


class SessionReport(Message, frozen=True):
    """What one finished session came to. Topic `session`."""

    session: SessionIndex
    windows: Count
    steps: Count
    iterations: Count
    """Steps at which a base bar was processed."""
    bars: Count
    """Base bars delivered."""
    lag_ns: Count
    """How far the clock fell behind its deadlines, at worst."""


class RunEnd(Message, frozen=True):
    """No window follows. Members answer with `Leave`. Topic `control`."""

    windows: Count
    data_digest: Label
    stream_digest: Label


class StreamClosed(Message, frozen=True):
    """All members have left; nothing is published any more. The journal's last record. Topic `control`."""


class Welcome(Message, frozen=True):
    """Answer to `Join`, once the joiner's subscriptions are seen. Topic `to/<actor>`."""

    actor: Name
    nonce: Count
    next_seq: Count
    """The first window that the joiner will see live."""
    next_ack: Count = 0
    """The first window whose acknowledgement is still owed; earlier ones are known."""
    records: Count = 0
    """Of the journal, how many the joiner has to read before it goes on live."""


class LoadSessions(Message, frozen=True):
    """Read the sessions `since` to `until`, both included. Topic `to/loader`."""

    since: SessionIndex
    until: SessionIndex


# from everyone to coordinator (report)


class Join(Message, frozen=True):
    """The sender's sockets are connected and its subscriptions are made."""

    actor: Name
    role: Name
    member: bool
    """Whether the clock waits for this actor."""
    epoch: Count = 0
    """That of the sender's process: a later one replaces an earlier one of the same name."""


class Ready(Message, frozen=True):
    """The sender has received its `Welcome`: both directions are proven."""

    actor: Name
    nonce: Count


class Derived(Message, frozen=True):
    """The processor's part of a window: derived bars by (close_ts, stream)."""

    seq: Count
    block: BarBlock
    suppressed: Count
    """Derived bars held back for want of coverage, in this window."""
    figures: tuple[Figure, ...] = ()
    """The session's historical indicators; only in its first window."""


class Quality(Message, frozen=True):
    """The quality manager's part of a window."""

    seq: Count
    quality: QualityBlock
    gaps: tuple[Gap, ...]


class Ack(Message, frozen=True):
    """A member has handled window `seq`."""

    actor: Name
    seq: Count
    signals: tuple[Signal, ...]


class Leave(Message, frozen=True):
    """The sender has handled everything up to `RunEnd`; its own count of windows and bars proves it.

    Somebody attached may leave at any time, and says so to the supervisor too.
    """

    actor: Name
    windows: Count
    bars: Count
    signals: tuple[Signal, ...]
    verdict: Verdict | None = None
    """Of an analysis engine."""


# between supervisor and actors (command)


class Hello(Message, frozen=True):
    """The first word of an actor's process, to the supervisor."""

    actor: Name
    pid: Count


class Connect(Message, frozen=True):
    """The coordinator's sockets are bound: connect and join, anew where that was done before."""

    epoch: Count = 0
    """That of the coordinator, which its sockets are named after."""
    own_epoch: Count = 0
    """That of an attached receiver's own frames from now on."""


class Attach(Message, frozen=True):
    """A process that is none of the run's own asks to take part; the answer is `Connect` or `Drop`."""

    actor: Name
    pid: Count
    member: bool
    """Whether the clock is to wait for it."""


class Invite(Message, frozen=True):
    """Let somebody join whom the plan does not know. From the supervisor to the coordinator."""

    actor: Name
    epoch: Count
    """That of its join."""


class Attached(Message, frozen=True):
    """The sender has joined the pipeline."""

    actor: Name


class Heartbeat(Message, frozen=True):
    """Proof of progress, sent from the actor's main loop."""

    actor: Name
    windows: Count
    messages: Count
    bars: Count
    rss_bytes: Count
    peak_rss_bytes: Count
    cpu_ns: Count
    handle_p50_ns: Count
    handle_p99_ns: Count


class Progress(Message, frozen=True):
    """How far the clock is. From the coordinator to the supervisor, a few times a second at most."""

    session: SessionIndex
    phase: PhaseNumber
    sim_ts: Instant
    bars: Count
    windows_in_flight: Count
    waiting_for: tuple[Name, ...]
    paused: bool = False
    """Whether the clock stands still, or goes only the steps that it was told."""
    until_ts: Instant | None = None
    """Where it will pause by itself."""
    speed: Finite = 0.0
    """0 is as fast as members acknowledge."""
    credit: Count = 0
    """How many windows may be in flight."""
    owed: Mapping[Name, Count] = msgspec.field(default_factory=dict)
    """How many windows each actor has in its hands and has not answered."""


class Failed(Message, frozen=True):
    """The sender cannot go on; it exits after this."""

    actor: Name
    exit_code: Count
    reason: Text


class Finished(Message, frozen=True):
    """The coordinator's verdict on the whole run."""

    interrupted: bool
    bars: Count
    data_digest: Label
    stream_digest: Label
    signals_digest: Label
    signals: Mapping[Name, Count]
    phase_wall_ns: Mapping[Label, Count]
    streams: tuple["StreamTotal", ...]
    suppressed: Count
    lag_ns: Count
    """How far the clock fell behind its deadlines, at worst; 0 where there are none."""
    verdicts: Mapping[Name, Verdict] = msgspec.field(default_factory=dict)
    """By actor."""
    dropped: Mapping[Name, Instant] = msgspec.field(default_factory=dict)
    """The members that were dropped, each with the step up to which all had come by then."""
    signals_digests: Mapping[Name, Label] = msgspec.field(default_factory=dict)
    """By actor, of its signals alone; its name does not count."""


class StreamTotal(Part, frozen=True):
    """The totals of one stream over all sessions of the run (history not counted)."""

    stream: StreamId
    bars: Count
    expected: Count
    received: Count
    missing: Count
    duplicates: Count
    rejected: Count
    gaps: Count
    filled: Count = 0
    """Of a STREAMED stream's `bars`, how many were missing and have been rebuilt from a finer interval."""


class Stop(Message, frozen=True):
    """Finish in order: after the windows in flight, or at once where the run is over.

    To somebody attached: the run is over, the rest is in the journal.
    """

    reason: Text


class Drop(Message, frozen=True):
    """Wait no more for a member that has died or hangs. From the supervisor to the coordinator.

    From it to somebody attached: you take no part (any more), and why.
    """

    actor: Name
    reason: Text


class Steer(Message, frozen=True):
    """Steer the clock, or stop the run. From a client to the supervisor, and from it to the coordinator."""

    client: Name
    """Who asks: `ctl-` and random letters, also the identity of its socket."""
    request: Count
    action: SteerAction
    steps: Count = 0
    """Of a `step`."""
    until_ts: Instant | None = None
    """Of an `until`."""
    speed: Finite | None = None
    """Of a `speed`."""


class Answer(Message, frozen=True):
    """What became of a `Steer`. From the coordinator to the supervisor, and from it to the client."""

    client: Name
    request: Count
    accepted: bool
    text: Text
    """What is done now, or why it is not."""


INGEST: Final = SessionBars | LoadReport | LoadFailed
STREAM: Final = (
    RawWindow
    | SealedWindow
    | Signals
    | PhaseEvent
    | SessionReport
    | RunEnd
    | StreamClosed
    | Welcome
    | LoadSessions
)
REPORT: Final = Join | Ready | Derived | Quality | Ack | Leave
COMMAND: Final = (
    Hello
    | Connect
    | Attach
    | Invite
    | Attached
    | Heartbeat
    | Progress
    | Failed
    | Finished
    | Stop
    | Drop
    | Steer
    | Answer
    | Leave
)
