"""A run's control file, and what a client hears on the other end of it."""

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from actors.assembly.places import RunPlaces
from actors.runtime.command_links import SupervisorLink
from actors.runtime.framing import Framing
from actors.runtime.locks import take_lock
from actors.runtime.transport import Endpoints, Rejected
from actors.supervisor.control import NoAnswer, ask, order
from actors.supervisor.control_file import (
    NAME,
    ControlFile,
    NotSteerable,
    control_file,
    read_control,
)
from actors.supervisor.run_folder import RunFolderError
from actors.supervisor.running import ABANDONED, read_status, running_runs
from actors.supervisor.status import RunState, RunStatus
from protocol.codec import Envelope
from protocol.messages import Answer, Steer, Stop
from protocol.version import PROTOCOL_VERSION

RUN = 4711
DEADLINE_S = 20.0


@pytest.fixture
def places(tmp_path: Path) -> Iterator[RunPlaces]:
    """Give a run folder that is locked, with sockets in a folder whose path is short."""
    folder = tmp_path / "runs" / "20250101-000000-example-abcd"
    folder.mkdir(parents=True)
    lock = take_lock(folder / "lock")
    with tempfile.TemporaryDirectory(prefix="sf-") as sockets:
        yield RunPlaces(folder, Path(sockets), Path("/catalog"), RUN)
    os.close(lock)


@pytest.fixture
def supervisor(places: RunPlaces) -> Iterator[SupervisorLink]:
    link = SupervisorLink(Endpoints(places.sockets), Framing(RUN))
    yield link
    link.close()


def write_status(folder: Path, state: RunState) -> None:
    status = RunStatus(
        run=folder.name, state=state, phase=5, session="2025-07-02", sessions_done=0, sessions_total=1,
        sim_time=None, bars=0, bars_expected=780, elapsed_s=0.1, bars_per_s=0.0, windows_in_flight=0,
        waiting_for=(), actors={},
    )  # fmt: skip
    (folder / "status.json").write_bytes(msgspec.json.encode(status))


def test_the_file_is_there_in_the_block_alone_and_for_its_owner_alone(places: RunPlaces) -> None:
    path = places.folder / NAME
    with control_file(places):
        assert path.stat().st_mode & 0o777 == 0o600
        assert read_control(places.folder) == ControlFile(
            PROTOCOL_VERSION, RUN, str(places.sockets), os.getpid()
        )
        assert {path.name for path in places.folder.iterdir()} == {"lock", NAME}
    assert not path.exists()


def test_the_coordinators_epoch_is_kept_up_to_date(places: RunPlaces) -> None:
    path = places.folder / NAME
    with control_file(places, 3) as keep_epoch:
        assert read_control(places.folder).epoch == 3
        before = path.stat().st_ino
        keep_epoch(3)
        assert path.stat().st_ino == before
        keep_epoch(9)
        assert read_control(places.folder).epoch == 9
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_where_it_can_no_longer_be_written_the_run_goes_on(places: RunPlaces) -> None:
    with control_file(places) as keep_epoch:
        (places.folder / f".{NAME}.tmp").mkdir()
        keep_epoch(4)
        assert read_control(places.folder).epoch == 0
        (places.folder / f".{NAME}.tmp").rmdir()
        keep_epoch(4)
        assert read_control(places.folder).epoch == 4


def test_a_link_that_somebody_has_laid_in_its_place_is_not_followed(
    places: RunPlaces, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    for name in (NAME, f".{NAME}.tmp"):
        (places.folder / name).symlink_to(other)
    with control_file(places):
        assert read_control(places.folder).run == RUN
    assert other.read_text() == "mine"


def test_a_folder_that_cannot_be_written_says_what_to_do(places: RunPlaces) -> None:
    (places.folder / f".{NAME}.tmp").mkdir()
    with pytest.raises(RunFolderError, match="--runs DIR"), control_file(places):
        pytest.fail("there is no file")


def test_a_run_without_the_file_cannot_be_steered(places: RunPlaces) -> None:
    with pytest.raises(NotSteerable, match=r"one process \(--inline\)"):
        read_control(places.folder)


def test_what_a_killed_run_has_left_is_told_from_a_run_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "dead"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / NAME).write_text("{}")
    with pytest.raises(NotSteerable, match="run dead is not running"):
        read_control(folder)
    write_status(folder, "running")
    assert read_status(folder).message == f"{ABANDONED}; go on with `sessionflow resume dead`"
    write_status(folder, "done")
    assert read_status(folder).message is None


@pytest.mark.parametrize("content", ["", "{}", '{"version": 1, "run": "x", "sockets": "", "pid": 1}'])
def test_a_damaged_file_is_named(places: RunPlaces, content: str) -> None:
    (places.folder / NAME).write_text(content)
    with pytest.raises(NotSteerable, match=NAME):
        read_control(places.folder)


def test_a_run_of_another_version_is_left_alone(places: RunPlaces) -> None:
    (places.folder / NAME).write_text(
        f'{{"version": {PROTOCOL_VERSION + 1}, "run": 1, "sockets": "", "pid": 1}}'
    )
    (places.folder / NAME).chmod(0o600)
    with pytest.raises(NotSteerable, match="another version"):
        read_control(places.folder)


def test_runs_that_go_on_are_found_newest_last(places: RunPlaces) -> None:
    runs = places.folder.parent
    newer, dead = runs / "00000000-newer", runs / "99999999-dead"
    for folder in (newer, dead):
        folder.mkdir()
    os.close(take_lock(dead / "lock"))
    (runs / "latest").symlink_to(dead.name)
    os.utime(places.folder / "lock", ns=(1, 1))
    lock = take_lock(newer / "lock")
    assert running_runs(runs) == [places.folder, newer]
    os.close(lock)
    assert running_runs(runs) == [places.folder]
    assert running_runs(runs / "nowhere") == []


class Answering(threading.Thread):
    """A supervisor that answers the first order, after something else."""

    def __init__(self, link: SupervisorLink) -> None:
        super().__init__()
        self.heard: list[Envelope | Rejected] = []
        self._link = link

    def run(self) -> None:
        while not self.heard:
            self.heard += self._link.poll(DEADLINE_S)
        (envelope,) = self.heard
        assert isinstance(envelope, Envelope)
        steer = envelope.message
        assert isinstance(steer, Steer)
        for message in (
            Stop("not for you"),
            Answer(steer.client, steer.request + 1, accepted=False, text="another's"),
            Answer(steer.client, steer.request, accepted=True, text="paused"),
        ):
            assert self._link.send(steer.client, message)


def test_an_order_comes_as_it_was_given_and_the_answer_to_it_comes_back(
    places: RunPlaces, supervisor: SupervisorLink
) -> None:
    thread = Answering(supervisor)
    thread.start()
    steer = order("step", steps=3)
    with control_file(places):
        answer = ask(read_control(places.folder), steer, DEADLINE_S)
    thread.join(DEADLINE_S)
    assert answer == Answer(steer.client, steer.request, accepted=True, text="paused")
    (heard,) = thread.heard
    assert isinstance(heard, Envelope)
    assert (heard.sender, heard.message) == (steer.client, steer)


def test_who_does_not_answer_is_not_waited_for_for_ever(
    places: RunPlaces, supervisor: SupervisorLink
) -> None:
    control = ControlFile(PROTOCOL_VERSION, RUN, str(places.sockets), 1)
    with pytest.raises(NoAnswer, match=r"no answer within 0\.05 s"):
        ask(control, order("pause"), timeout_s=0.05)
    assert len(list(supervisor.poll(DEADLINE_S))) == 1


def test_where_nobody_is_there_any_more_there_is_no_answer(places: RunPlaces) -> None:
    control = ControlFile(PROTOCOL_VERSION, RUN, str(places.sockets), 1)
    with pytest.raises(NoAnswer):
        ask(control, order("pause"), timeout_s=0.05)


def test_an_answer_of_another_run_is_none(places: RunPlaces, supervisor: SupervisorLink) -> None:
    control = ControlFile(PROTOCOL_VERSION, RUN + 1, str(places.sockets), 1)
    with pytest.raises(NoAnswer):
        ask(control, order("pause"), timeout_s=0.05)
    (heard,) = supervisor.poll(DEADLINE_S)
    assert isinstance(heard, Rejected)


def test_no_two_orders_are_given_under_one_name() -> None:
    names = {order("pause").client for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("ctl-") and len(name) <= 32 for name in names)
