"""Deliberate faults: what the simulator must catch. Each is a patch of one source file, applied to a copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("actors", "protocol", "tests")
LIMIT_S: Final = 900.0


class Mutant(NamedTuple):
    """One fault."""

    name: str
    file: str
    old: str
    new: str


class Caught(NamedTuple):
    """How a fault was found."""

    seeds: int
    """How many runs it took."""
    by: str
    """What was found wrong first; empty where nothing was."""


MUTANTS: Final = (
    # the barrier
    Mutant(
        "credit off by one",
        "actors/domain/barrier.py",
        "return len(self._flights) < self.credit",
        "return len(self._flights) <= self.credit",
    ),
    Mutant(
        "the processor's old part is kept when it is started again",
        "actors/domain/barrier.py",
        "                flight.derived = None\n",
        "                flight.derived = flight.derived\n",
    ),
    Mutant(
        "a process that answers again is expected one window too late",
        "actors/domain/barrier.py",
        "        self._due[actor] = self.next_seq\n        unsealed",
        "        self._due[actor] = self.next_seq + 1\n        unsealed",
    ),
    Mutant(
        "next_ack off by one",
        "actors/domain/barrier.py",
        "return self._due.get(actor, 0)\n\n    def readmit",
        "return self._due.get(actor, 0) + 1\n\n    def readmit",
    ),
    Mutant(
        "a new member owes nothing of the windows under way",
        "actors/domain/barrier.py",
        "                if not flight.sealed:\n                    flight.owed_by.add(actor)",
        "                if flight.sealed:\n                    flight.owed_by.add(actor)",
    ),
    Mutant(
        "a member that was dropped is still waited for",
        "actors/domain/barrier.py",
        "            flight.owed_by.discard(actor)\n\n    def take_sealable",
        "            flight.owed_by.add(actor)\n\n    def take_sealable",
    ),
    Mutant(
        "the wrong member is dropped",
        "actors/domain/membership.py",
        "            self._account.dropped[actor] = clock_ts\n            self._forget(actor)\n",
        "            self._account.dropped[actor] = clock_ts\n"
        "            self._forget(self._barrier.members[0])\n",
    ),
    Mutant(
        "restored windows are not owed by anybody",
        "actors/domain/barrier.py",
        "Flight(window, set(self.members), sealed=True)",
        "Flight(window, set(), sealed=True)",
    ),
    # the journal
    Mutant(
        "published before it is appended",
        "actors/runtime/framing.py",
        "    keep(journal, topic, message, frame)\n    deliver(topic, frame)\n",
        "    deliver(topic, frame)\n    keep(journal, topic, message, frame)\n",
    ),
    Mutant(
        "signals are published and not kept",
        "protocol/topics.py",
        "JOURNALED: Final = frozenset({SEALED, SIGNAL, PHASE, SESSION, CONTROL})",
        "JOURNALED: Final = frozenset({SEALED, PHASE, SESSION, CONTROL})",
    ),
    Mutant(
        "records of the journal off by one",
        "actors/domain/publication.py",
        "        self.records += 1\n",
        "        self.records += self.records > 0\n",
    ),
    Mutant(
        "nothing is cut off",
        "actors/domain/journal_cut.py",
        "segments.cut(segment, ends.kept)",
        "segments.cut(segment, size)",
    ),
    Mutant(
        "only what is torn is cut off, the end of the run stays",
        "actors/domain/journal_cut.py",
        "segments.cut(segment, ends.kept)",
        "segments.cut(segment, ends.whole)",
    ),
    Mutant(
        "a segment without a whole record stays",
        "actors/domain/journal_cut.py",
        "if ends.kept > HEADER.size:",
        "if ends.kept >= 0:",
    ),
    # recovery
    Mutant(
        "the rest of a session that was partly sealed is skipped",
        "actors/domain/recollection.py",
        "return self._last.session + self._last.last",
        "return self._last.session + 1",
    ),
    Mutant(
        "the last sealed step is cut again",
        "actors/domain/feed.py",
        'np.searchsorted(tape.steps, sealed, side="right")',
        'np.searchsorted(tape.steps, sealed, side="left")',
    ),
    Mutant(
        "a window counts as handled one too early",
        "actors/domain/recollection.py",
        "len(self._unhandled) - self._plan.flow.credit",
        "len(self._unhandled) - self._plan.flow.credit + 1",
    ),
    Mutant(
        "what is said before everyone is in is forgotten",
        "actors/coordinator.py",
        "        try:\n            yield from handler(message)\n",
        "        try:\n            yield from handler(message) if self._begun else ()\n",
    ),
    Mutant(
        "restored windows are counted twice",
        "actors/domain/recollection.py",
        "        self._unhandled.append(raw)\n",
        "        self._unhandled.append(raw)\n        self.count.add(raw)\n",
    ),
    Mutant(
        "signals are doubled after a restart",
        "actors/domain/recollection.py",
        "                self.signalled[message.actor] = message.seq\n",
        "                self.signalled[message.actor] = message.seq - 1\n",
    ),
    Mutant(
        "what had been asked of the loader is forgotten",
        "actors/coordinator.py",
        '        yield Log("WARNING", f"Taking over a run: {words}")\n'
        "        yield from self._supply.ask_again()\n",
        '        yield Log("WARNING", f"Taking over a run: {words}")\n',
    ),
    Mutant(
        "a replay says again what is known",
        "actors/domain/replay.py",
        "return message.seq >= self._welcome.next_ack",
        "return True",
    ),
    Mutant(
        "activation does not wait for the session that is loaded again",
        "actors/domain/phase_machine.py",
        "        if self.phase is Phase.SESSION_ACTIVATION:\n"
        "            return self._supply.has_loaded(self.session.index)\n",
        "",
    ),
    Mutant(
        "the recorder closes the last session too early",
        "actors/recorder.py",
        "min(message.session + 1, len(self._plan.sessions) - 1)",
        "message.session + 1",
    ),
    Mutant(
        "who is started again after it has left may not leave again",
        "actors/domain/ending.py",
        "            self._late.add(actor)\n",
        "            self._late.discard(actor)\n",
    ),
    # epochs and the supervisor
    Mutant(
        "frames of dead processes are heard",
        "protocol/sequencing.py",
        "        if epoch < latest:\n",
        "        if epoch < latest and not sender:\n",
    ),
    Mutant(
        "a dead process is heard on its other channels",
        "protocol/sequencing.py",
        "sender = sender_of(channel)",
        "sender = channel or sender_of(channel)",
    ),
    Mutant(
        "a process is started again without a new epoch",
        "actors/supervisor/restarts.py",
        "epoch=state.epoch + 1)",
        "epoch=state.epoch)",
    ),
    Mutant(
        "the others are left alone when the coordinator dies",
        "actors/supervisor/restarts.py",
        "names = _everyone(state) if name == COORDINATOR else [name]",
        "names = [name]",
    ),
    Mutant(
        "a lost engine is not told to the coordinator",
        "actors/supervisor/trouble.py",
        "    if state.stage is not Stage.STARTING:\n        actions.append(drop(name, why))\n",
        "",
    ),
    Mutant(
        "who greets after the verdict is not told to stop",
        "actors/supervisor/decisions.py",
        "    if state.stage is Stage.STOPPING and event.actor not in state.gone:\n",
        "    if state.stage is Stage.OVER and event.actor not in state.gone:\n",
    ),
    Mutant(
        "a joiner is let in anew without being welcomed",
        "actors/domain/lobby.py",
        "        self._welcomed.discard(actor)\n",
        "",
    ),
)


def apply(mutant: Mutant, folder: Path) -> None:
    """Copy the packages into a folder and put the fault in."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / mutant.file
    path.write_text(path.read_text().replace(mutant.old, mutant.new))


def hunt(mutant: Mutant, folder: Path, seeds: int) -> Caught:
    """Run seed after seed in a process of its own, up to so many, until one fails."""
    apply(mutant, folder)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.simulator", "--seeds", str(seeds)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    words = ended.stdout.strip().splitlines()
    if ended.returncode == 0:
        return Caught(seeds, "")
    found = next((line for line in words if line.startswith("seed ")), "seed 0: " + ended.stderr[-300:])
    seed, _, what = found.removeprefix("seed ").partition(": ")
    return Caught(int(seed) + 1, what)
