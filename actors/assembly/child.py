"""Be an actor: the entry point of a child process."""

import ctypes
import gc
import os
import resource
import signal
import sys
from contextlib import closing
from multiprocessing import forkserver, parent_process
from pathlib import Path
from typing import Any, Final

from actors.assembly import build_role
from actors.assembly.places import ActorSpec, actor_roles, read_plan
from actors.coordinator import Coordinator
from actors.domain.exit_codes import ExitCode
from actors.domain.lobby import Lobby
from actors.domain.sealing import base_ids
from actors.domain.session_plan import Remote, SessionPlan
from actors.domain.speakers import Speakers
from actors.runtime import clock
from actors.runtime.coordinator_shell import CoordinatorShell
from actors.runtime.framing import Framing
from actors.runtime.journal_files import JournalReader, JournalWriter
from actors.runtime.journal_repair import take_over
from actors.runtime.key_files import KeyFolder
from actors.runtime.logs import ActorLog, CapturedOutput, open_log
from actors.runtime.remote import RemoteObservers
from actors.runtime.shell import Shell, Surroundings
from actors.runtime.transport import Endpoints, Link

PDEATHSIG: Final = 1
"""`PR_SET_PDEATHSIG` of prctl(2)."""
NAME: Final = 15
"""`PR_SET_NAME` of prctl(2): the first 15 bytes are what `top` and `ps -o comm` show."""


def run_actor(spec: ActorSpec) -> None:
    """Live until told to stop, and exit with how it ended."""
    gc.freeze()
    prepare_process(spec.name)
    output = CapturedOutput(spec.places.logs / f"{spec.name}.out")
    plan = read_plan(spec.places)
    code = ExitCode.ACTOR_FAILED
    with open_log(spec.places.logs, spec.name, plan) as log:
        try:
            code = _live(spec, plan, log, output)
        except Exception:  # before the shell has spread its own net
            log.exception("The actor could not be set up")
    sys.exit(code)


def prepare_process(name: str) -> None:
    """Leave interrupts to the supervisor, die with it whatever this process is doing, and have a name."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    _let_go_of_forkserver()
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PDEATHSIG, signal.SIGKILL)
        prctl(NAME, name.encode())


def _let_go_of_forkserver() -> None:
    """Close the pipe by which every child keeps its forkserver alive: only the supervisor should."""
    server: Any = forkserver._forkserver  # noqa: SLF001  (nothing public has it)
    if server._forkserver_alive_fd is not None:  # noqa: SLF001
        os.close(server._forkserver_alive_fd)  # noqa: SLF001
        server._forkserver_alive_fd = None  # noqa: SLF001


def _live(spec: ActorSpec, plan: SessionPlan, log: ActorLog, output: CapturedOutput) -> ExitCode:
    parent = parent_process()
    lifeline = None if parent is None else int(parent.sentinel)
    framing = Framing(spec.places.run, spec.epoch)
    with closing(Link(Endpoints(spec.places.sockets), spec.name, framing, lifeline)) as link:
        around = Surroundings(
            link=link,
            log=log,
            kind=spec.role,
            member=spec.role == "analysis",
            heartbeat_s=plan.flow.heartbeat_s,
            journal=JournalReader(spec.places.journal),
            base=base_ids(plan),
            output=output,
        )
        role = build_role(spec, plan)
        if isinstance(role, Coordinator):
            return _coordinate(role, spec, plan, around)
        return Shell(role, around).run()


def _coordinate(role: Coordinator, spec: ActorSpec, plan: SessionPlan, around: Surroundings) -> ExitCode:
    """Open the coordinator's sockets and the journal, whose last segment is on the disk at the end.

    Where there is a journal, an earlier coordinator has died: go on where it ends.
    """
    remote = None if plan.remote is None else _remote_observers(plan.remote)
    around.link.bind(plan.flow.credit, Speakers(actor_roles(plan)), remote)
    others = [name for name in actor_roles(plan) if name != spec.name and name not in spec.without]
    with JournalWriter(spec.places.journal, spec.places.run) as journal:
        take_over(spec.places.journal, journal, around.log, role.recall)
        return CoordinatorShell(role, around, journal, Lobby(others, nonce=clock.monotonic_ns())).run()


def _remote_observers(remote: Remote) -> RemoteObservers:
    """Listen for remote observers; a process that holds a secret leaves no core behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return RemoteObservers(remote.observe, KeyFolder(Path(remote.keys)).read_server())
