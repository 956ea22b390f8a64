"""A whole run under a scheduler, from one seed: processes, supervisor, disk, and what befalls them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from actors.domain.exit_codes import ExitCode
from actors.domain.session_plan import Flow
from actors.supervisor import events
from protocol.messages import Connect, Drop, Finished, Invite, Steer
from tests.simulator.checks import Checks, Reference, Violation, check_journal, require
from tests.simulator.clockwork import MS, SECOND, Clockwork
from tests.simulator.market import CALM, MARKETS, Market, make_flow, make_market
from tests.simulator.memory import Disk, Shelf
from tests.simulator.overseer import Overseer
from tests.simulator.processes import RUN, ActorProcess, Process, Stage

MAX_TURNS: Final = 30_000
MAX_LIVES: Final = 12
LONG_NS: Final = 3 * SECOND
"""Longer than an actor may be silent."""
MISHAPS: Final = {
    "kill": 10,
    "freeze": 4,
    "coordinator": 4,
    "power": 3,
    "interrupt": 1,
    "steer": 4,
    "attach": 5,
}
"""What may happen, and how likely."""


@dataclass(frozen=True)
class Report:
    """What a simulated run came to."""

    finished: Finished
    stage: Stage
    lives: int
    happened: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    turns: int = 0


class World:
    """One run, from its first process to its last, however many lives that takes."""

    def __init__(
        self, market: Market, flow: Flow, clock: Clockwork, mishaps: int, reference: Reference | None
    ) -> None:
        """Plan what will befall it."""
        plan = market.plan(flow)
        checks = Checks(plan, reference)
        self.stage = Stage(clock, market, plan, Disk(RUN), Shelf(), checks, market.storage(plan))
        self.happened: Counter[str] = Counter()
        self._clock = clock
        self._chance = clock.chance
        self._guests: dict[str, ActorProcess] = {}
        self._orders = 0
        self._epoch = self._guest_epoch = -1
        self._lives = 0
        self._asked_to_stop = False
        self._mishaps = self._plan_mishaps(mishaps)
        self._hands: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "coordinator": self._kill_coordinator,
            "power": self._cut_power,
            "interrupt": self._interrupt,
            "steer": self._steer,
            "attach": self._attach,
        }
        self._overseer = self._begin_life({})

    def run(self) -> Report:
        """Live until the run is done, whatever it takes."""
        while not self._is_done():
            self._clock.turn()
            require(self._clock.turns < MAX_TURNS, "it goes on and on")
            while self._mishaps and self._clock.turns >= self._mishaps[0][0]:
                _, kind = self._mishaps.pop(0)
                self._clock.say("chance", kind)
                self._hands[kind]()
        finished = self._overseer.state.finished
        require(finished is not None, "done without a verdict")
        self.stage.checks.at_end(finished, self.stage.disk, self.stage.shelf.tables)
        now_s = self._clock.now_ns / SECOND
        return Report(finished, self.stage, self._lives, self.happened, now_s, self._clock.turns)

    def _plan_mishaps(self, count: int) -> list[tuple[int, str]]:
        kinds = self._chance.choices(list(MISHAPS), list(MISHAPS.values()), k=count)
        return sorted((self._chance.randrange(20, 400), kind) for kind in kinds)

    def _begin_life(self, lost: Mapping[str, str]) -> Overseer:
        """Start a run, or go on with what is left of it; engines that were `lost` before stay so."""
        self._lives += 1
        require(self._lives <= MAX_LIVES, "it has died too often")
        self._asked_to_stop = False
        self.stage.coordinator = None
        epoch = max((one.stamp.epoch for one in self.stage.disk.envelopes()), default=-1)
        self._epoch = max(epoch, self._epoch) + 1
        self.happened["resumed without an engine"] += bool(lost)
        self._overseer = Overseer(self.stage, self._epoch, lost, self._look_around, self._send_guests_away)
        return self._overseer

    def _is_done(self) -> bool:
        """Whether the run has come to its end; one that was broken off goes on in another life."""
        overseer = self._overseer
        if not overseer.is_over:
            return False
        state = overseer.state
        if state.exit_code == ExitCode.DONE:
            return True
        if state.exit_code == ExitCode.ACTOR_FAILED and state.lost and state.trouble is None:
            self.happened["lost"] += 1
            return True
        self._check_failure()
        self._end_life()
        return False

    def _check_failure(self) -> None:
        """A run may be broken off because it was asked to, or because somebody died too often."""
        state = self._overseer.state
        reason = state.trouble.reason if state.trouble else ""
        if state.exit_code == ExitCode.INTERRUPTED:
            require(self._asked_to_stop, "interrupted by nobody:", reason)
            self.happened["interrupted"] += 1
        else:
            require("been started again" in reason, "it failed:", state.trouble)
            self.happened["used up"] += 1
        check_journal(self.stage.disk.envelopes())

    def _end_life(self) -> None:
        self._epoch = max(self._epoch, self._overseer.state.epoch)
        self._overseer.vanish()
        self._send_guests_away()
        self.stage.checks.on_new_life(self.stage.disk)
        self._begin_life(self._overseer.state.lost)

    def _look_around(self) -> None:
        """Say who waits for whom once nothing can happen any more; a clock that was paused goes on."""
        overseer = self._overseer
        if self._clock.pending or overseer.is_replacing:
            return
        everyone = [*overseer.processes.values(), *self._guests.values()]
        if any(process.is_frozen and process.is_alive for process in everyone):
            return
        if overseer.is_paused:
            self._order(Steer("ctl-1", self._orders, "resume"))
            return
        actors = {name: actor.state.value for name, actor in overseer.state.actors.items()}
        progress = overseer.progress
        waiting = progress.waiting_for if progress else ()
        raise Violation(f"stuck in {overseer.state.stage}: the coordinator waits for {waiting}; {actors}")

    # what befalls it

    def _victim(self) -> Process | None:
        alive = [one for one in self._overseer.processes.values() if one.is_alive]
        return self._chance.choice(alive) if alive else None

    def _kill(self) -> None:
        victim = self._victim()
        if victim is not None:
            self._end(victim)

    def _kill_coordinator(self) -> None:
        self._end(self._overseer.processes["coordinator"])

    def _end(self, victim: Process) -> None:
        """Kill a process now, or some steps later in the middle of what it does then."""
        if self._chance.random() < 0.3:
            self._die(victim)
        else:
            victim.doom(self._chance.randrange(25), lambda: self._die(victim))

    def _die(self, victim: Process) -> None:
        self.happened[f"killed {victim.name.partition('-')[0]}"] += victim.is_alive
        victim.kill()

    def _freeze(self) -> None:
        """Stop a process; sometimes it wakes up before anybody has noticed."""
        victim = self._victim()
        if victim is not None and not victim.is_frozen:
            self.happened["frozen"] += 1
            victim.freeze()
            span_ns = self._chance.choice((200 * MS, LONG_NS))
            self._clock.at(self._clock.now_ns + span_ns, victim.thaw, idle=True)

    def _cut_power(self) -> None:
        """End everything at once, perhaps while the coordinator does something."""
        coordinator = self._overseer.processes["coordinator"]
        if self._chance.random() < 0.3 or not coordinator.is_alive:
            self._lose_power()
        else:
            coordinator.doom(self._chance.randrange(25), self._lose_power)

    def _lose_power(self) -> None:
        self.happened["power lost"] += 1
        self._clock.say("chance", "power is lost")
        self._epoch = max(self._epoch, self._overseer.state.epoch)
        self._overseer.vanish()
        self._send_guests_away()
        if self._chance.random() < 0.7:
            self.happened["torn bytes"] += self.stage.disk.tear(self._chance.random())
        self.stage.checks.on_new_life(self.stage.disk)
        self._begin_life(self._overseer.state.lost)

    def _interrupt(self) -> None:
        self._asked_to_stop = True
        self._overseer.apply(events.Interrupted())

    def _steer(self) -> None:
        """Give one or two orders; a clock that stands still is told to go on in the end."""
        sessions = self.stage.plan.sessions
        until = self._chance.choice(sessions).open_ns + self._chance.randint(0, 8) * 60 * SECOND
        orders = (
            Steer("ctl-1", self._orders, "pause"),
            Steer("ctl-1", self._orders, "step", steps=self._chance.randint(1, 3)),
            Steer("ctl-1", self._orders, "until", until_ts=until),
            Steer("ctl-1", self._orders, "speed", speed=self._chance.choice((0.0, 600.0, 3000.0))),
            Steer("ctl-1", self._orders, "resume"),
        )
        self._order(self._chance.choice(orders))

    def _order(self, steer: Steer) -> None:
        self._orders += 1
        self.happened[f"asked to {steer.action}"] += 1
        self._overseer.apply(events.Steered(steer))

    def _attach(self) -> None:
        """Let a stranger join, to be waited for or not."""
        coordinator = self.stage.coordinator
        if coordinator is None or not coordinator.is_alive or not self._overseer.is_running:
            return
        if sum(guest.is_alive for guest in self._guests.values()) > 1:
            return
        self._guest_epoch += 1
        name = f"guest-{self._guest_epoch}"  # a name is given once in a run
        self._overseer.tell_coordinator(Invite(name, self._guest_epoch))
        guest = ActorProcess(
            *(name, self._guest_epoch, self.stage, self._on_guest_exit),
            kind="analysis",
            member=self._chance.random() < 0.7,
            attached=True,
        )
        self._guests[name] = guest
        guest.do(guest.boot)
        guest.do(lambda: guest.greet(Connect(coordinator.epoch)))
        fate = self._chance.choice((lambda _: None, self._leave, self._hang, self._crash))
        self._clock.within(100 * MS, lambda: fate(guest))

    def _leave(self, guest: ActorProcess) -> None:
        self.happened["attached and left"] += 1
        guest.do(guest.leave)

    def _hang(self, guest: ActorProcess) -> None:
        """Say nothing any more; after a while the supervisor lets it go."""
        self.happened["attached and hung"] += guest.is_alive
        guest.freeze()
        self._clock.at(self._clock.now_ns + LONG_NS, lambda: self._drop(guest))

    def _crash(self, guest: ActorProcess) -> None:
        self.happened["attached and killed"] += guest.is_alive
        guest.doom(self._chance.randrange(10), guest.kill)

    def _on_guest_exit(self, guest: Process, code: int) -> None:
        if code:
            self._clock.at(self._clock.now_ns + LONG_NS, lambda: self._drop(guest))

    def _send_guests_away(self) -> None:
        """Who is attached ends with the coordinator; another one may join the next."""
        guests, self._guests = self._guests, {}
        for guest in guests.values():
            self.stage.checks.on_let_go(guest.name)
            guest.kill()

    def _drop(self, guest: Process) -> None:
        if self._guests.get(guest.name) is guest:
            del self._guests[guest.name]
            guest.kill()
            self._overseer.tell_coordinator(Drop(guest.name, "it is gone"))


@cache
def reference_of(number: int) -> Reference:
    """Do the undisturbed run of a market, window by window."""
    world = World(make_market(number), CALM, Clockwork(0), 0, None)
    report = world.run()
    messages = (envelope.message for envelope in report.stage.disk.envelopes())
    return Reference.of(messages, report.finished, report.stage.shelf.tables)


def simulate(seed: int, trace: list[str] | None = None) -> Report:
    """Do the run of a seed.

    Raises Violation where something does not hold that must.
    """
    clock = Clockwork(seed, trace)
    number = clock.chance.randrange(MARKETS)
    reference = reference_of(number)
    flow = make_flow(clock.chance)
    mishaps = clock.chance.randint(1, 5)
    try:
        return World(make_market(number), flow, clock, mishaps, reference).run()
    except Exception as error:
        raise Violation(f"{type(error).__name__}: {error}") from error
