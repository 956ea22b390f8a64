"""An attacker in the folder of the sockets and at the port: the run ends as if nobody had been there.

What it does needs the user's own rights, or a port that is open: other users cannot even open the folder.
"""

import re
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec
import pytest
import zmq

from actors.runtime.journal_files import JournalReader
from actors.runtime.key_files import KeyFolder, KeyPair
from actors.runtime.remote import RemoteObserver, make_pair
from actors.supervisor.control_file import read_control
from protocol import codec, topics
from protocol.codec import HEADER, MAX_COMMAND_BYTES, MAX_FRAME_BYTES, Stamp, encode
from protocol.messages import Ack, Attach, Join, SealedWindow, Steer, Stop
from protocol.version import PROTOCOL_VERSION
from tests.pipeline.conftest import ROOT, SLOW, Configure, Ended, Launch, Launcher
from tests.plain_messages import SENT, plain

CONTROL: Final = ROOT / "scripts" / "control.py"
FLOOD: Final = 20_000
BAD_NAMES: Final = ("../evil", "A", "", "a" * 33, "a\n", "a/b", "\x1b[2J", ".x")
OLDEST_PROTOCOL: Final = b"\x01\x00\x06\x00hello\x02\x00\x01"
ENDPOINTS: Final = ("report-0", "ingest-0", "stream-0", "observe-0", "command")


class Attacker:
    """Somebody who knows everything that lies in the run's folder, and keeps to no rule."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        control = read_control(folder)
        self.sockets, self.run = Path(control.sockets), control.run
        self._stack = stack
        self._context = stack.enter_context(zmq.Context())

    def open(self, kind: int, endpoint: str, **options: int | bytes) -> "zmq.Socket[bytes]":
        made: zmq.Socket[bytes] = self._stack.enter_context(self._context.socket(kind))
        made.linger, made.sndhwm, made.sndtimeo = 0, 0, 5000
        for name, value in options.items():
            made.setsockopt(getattr(zmq, name.upper()), value)
        made.connect(endpoint if "://" in endpoint else f"ipc://{self.sockets / endpoint}")
        return made

    def doors(self) -> list["zmq.Socket[bytes]"]:
        """Open something to send with at every endpoint."""
        pushers = [self.open(zmq.PUSH, name) for name in ("report-0", "ingest-0")]
        publishers = [self.open(zmq.XSUB, name) for name in ("stream-0", "observe-0")]
        return [*pushers, *publishers, self.open(zmq.DEALER, "command", routing_id=b"mallory#1")]

    def record(self, count: int) -> list[bytes]:
        """Listen to what the run publishes, until there is enough of it."""
        listener = self.open(zmq.SUB, "observe-0")
        listener.subscribe(b"")
        frames: list[bytes] = []
        while len(frames) < count:
            assert listener.poll(20_000), frames
            frames.append(listener.recv(zmq.NOBLOCK))
        return frames

    def raw_bytes(self) -> None:
        for endpoint in ENDPOINTS:
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(5)
                peer.connect(str(self.sockets / endpoint))
                peer.sendall(OLDEST_PROTOCOL)

    def replay(self, frames: list[bytes]) -> None:
        for door in self.doors():
            for frame in frames:
                door.send(frame)

    def malformed(self) -> None:
        """Send every message, broken in three ways, to every endpoint."""
        for door in self.doors():
            for topic, kind in SENT:
                frame = encode(topic, plain(kind), Stamp(self.run, 0, 0))
                for broken in (frame[:-1], frame + b"\0", frame[:-1] + bytes([frame[-1] ^ 1])):
                    door.send(broken)
            door.send_multipart([b"many", b"parts", b""])
            door.send(b"")

    def well_formed(self) -> None:
        """Send every message, whole and of this run, in a name that nobody knows, to every endpoint."""
        for door in self.doors():
            for topic, kind in SENT:
                channel, _, owner = topic.partition("/")
                name = f"{channel}/mallory" if owner else channel
                door.send(encode(name, plain(kind), Stamp(self.run, 0, 0)))

    def pretend(self) -> None:
        """Give orders that are not its to give, join and lose messages, ask to be attached by bad names."""
        pusher = self.open(zmq.PUSH, "report-0")
        pusher.send(encode("command/coordinator", Stop("over"), Stamp(self.run, 0, 0)))
        for sequence, message in ((0, Join("guest", "analysis", False)), (5, Ack("guest", 9, ()))):
            pusher.send(encode("report/guest", message, Stamp(self.run, 0, sequence)))
        for number, name in enumerate(BAD_NAMES):
            asker = self.open(zmq.DEALER, "command", routing_id=f"mal-{number}#1".encode())
            asker.send(self.framed(f"command/mal-{number}", ["Attach", name, 1, True]))
            asker.send(encode(f"command/mal-{number}", Attach("loader", 1, True), Stamp(self.run, 0, 0)))
        liar = self.open(zmq.DEALER, "command", routing_id=b"ctl-liar#1")
        liar.send(encode("command/ctl-liar", Steer("ctl-her", 1, "stop"), Stamp(self.run, 0, 0)))
        nameless = self.open(zmq.DEALER, "command", routing_id=b"\xff\x00\x1b[2J")
        nameless.send(encode("command/loader", plain(Stop), Stamp(self.run, 0, 0)))

    def flood(self) -> None:
        doors = self.doors()
        foreign = encode("report/mallory", Ack("mallory", 0, ()), Stamp(self.run + 1, 0, 0))
        own = encode("report/mallory", Ack("mallory", 0, ()), Stamp(self.run, 0, 0))
        for door in (doors[0], doors[1], doors[4]):
            for _ in range(FLOOD // 2):
                door.send(foreign)
                door.send(own)

    def oversize(self) -> None:
        pusher, _, stream, observe, command = self.doors()
        pusher.send(bytes(MAX_FRAME_BYTES + 2048), copy=False)
        command.send(bytes(MAX_COMMAND_BYTES + 2048), copy=False)
        for door in (stream, observe):
            door.send(b"\1" + bytes(70_000))

    def framed(self, topic: str, fields: list[object]) -> bytes:
        """Build a frame around any body, with a header and a checksum that are right."""
        start, body = topics.prefix(topic), msgspec.msgpack.encode(fields)
        header = HEADER.pack(codec.MAGIC, PROTOCOL_VERSION, 0, self.run, 0, len(body), 0)
        crc = zlib.crc32(start + header[:4] + header[8:] + body)
        return start + header[:4] + struct.pack("<I", crc) + header[8:] + body


@contextmanager
def attacking(launched: Launch) -> Iterator[Attacker]:
    assert launched.folder is not None
    with ExitStack() as stack:
        yield Attacker(launched.folder, stack)


def hurry(launched: Launch) -> None:
    """Let the clock go as fast as it can."""
    called = control(launched, "speed", "0")
    assert called.returncode == 0, called.stderr


def control(launched: Launch, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(CONTROL), *arguments, "--runs", str(launched.runs)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def logged(launched: Launch, actor: str, words: str) -> None:
    """Wait until an actor's log says this."""
    assert launched.folder is not None
    log = launched.folder / "logs" / f"{actor}.log"
    launched.wait_until(words, lambda: words in log.read_text())


def assert_undisturbed(ended: Ended, example: Ended) -> None:
    assert (ended.exit_code, ended.summary["status"]) == (0, "done"), ended.stderr
    assert ended.summary["digest"] == example.summary["digest"]
    assert ended.summary["bars"] == example.summary["bars"]
    assert ended.summary["restarts"] == 0


def test_an_attacker_at_every_socket_changes_nothing_and_is_named(
    launch: Launcher, configure: Configure, example: Ended
) -> None:
    launched = launch(configure(SLOW))
    launched.wait_streaming()
    with attacking(launched) as attacker:
        recorded = attacker.record(20)
        attacker.raw_bytes()
        attacker.pretend()
        attacker.replay(recorded)
        logged(launched, "coordinator", "Stop on command/coordinator, which is not sent to the coordinator")
        logged(launched, "coordinator", "report/guest: sequence 5 where 1 was due")
        logged(launched, "coordinator", "which is not sent to the coordinator")
        logged(launched, "supervisor", "malformed frame from mal-0: Expected `str` matching regex")
        logged(launched, "supervisor", "Steer from ctl-liar")
        attacker.malformed()
        attacker.well_formed()
        attacker.oversize()
        attacker.flood()
        hurry(launched)
        ended = launched.finish()
    assert_undisturbed(ended, example)
    for actor in ("coordinator", "supervisor"):
        said = ended.messages(actor)
        assert any("mallory" in line for line in said)
        assert sum(line.startswith("Dropped: ") for line in said) < 300
    assert any(
        re.search(r"more frames, suppressed here, from .*mallory", line)
        for line in ended.messages("coordinator")
    )


def test_a_link_in_the_place_of_a_runs_files_is_not_followed(
    launch: Launcher, configure: Configure, example: Ended, tmp_path: Path
) -> None:
    launched = launch(configure(SLOW), "--paused")
    launched.wait_state("paused")
    folder = launched.folder
    assert folder is not None
    link = tmp_path / "elsewhere"
    link.symlink_to(folder)
    assert control(launched, "pause", str(link)).returncode == 0
    real, content = folder / "control.json", (folder / "control.json").read_bytes()
    copy = tmp_path / "control.json"
    copy.write_bytes(content)
    copy.chmod(0o600)
    for spoil, words in (
        (lambda: real.symlink_to(copy), "is a symbolic link"),
        (lambda: (real.write_bytes(content), real.chmod(0o644)), "is open to others (644)"),
        (lambda: real.write_bytes(content.replace(b"sessionflow-", b"elsewhere-")), "cannot be looked at"),
    ):
        real.unlink()
        spoil()
        real.chmod(0o600) if "open" not in words and not real.is_symlink() else None
        refused = control(launched, "stop", str(folder))
        assert refused.returncode == 2
        assert words in " ".join(refused.stderr.split())
    real.unlink()
    real.write_bytes(content)
    real.chmod(0o600)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    hurry(launched)
    (folder / ".summary.json.tmp").symlink_to(victim)
    assert control(launched, "resume").returncode == 2
    (folder / ".summary.json.tmp").unlink()
    assert control(launched, "resume").returncode == 0
    (folder / ".summary.json.tmp").symlink_to(victim)
    assert_undisturbed(launched.finish(), example)
    assert victim.read_text() == "mine"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remote_session(configure: Configure, keys: KeyFolder, port: int) -> Path:
    remote = {"observe": f"tcp://127.0.0.1:{port}", "keys": str(keys.path)}
    return configure(SLOW, {"remote": remote})


def test_at_the_port_only_an_allowed_key_hears_the_run_and_no_secret_is_left_anywhere(
    launch: Launcher, configure: Configure, example: Ended, tmp_path: Path, port: int
) -> None:
    keys = KeyFolder(tmp_path / "keys")
    keys.make(("bob",), make_pair)
    server, eve = keys.read_server(), make_pair()
    url = f"tcp://127.0.0.1:{port}"
    launched = launch(remote_session(configure, keys, port), "--paused")
    launched.wait_state("paused")
    bob = subprocess.Popen(
        [sys.executable, "-m", "actors", "listen", url, "--keys", str(keys.path), "--as", "bob"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with attacking(launched) as attacker, listening(url, server.pair.public, eve), \
            listening(url, eve.public, server.pair):  # fmt: skip
        stranger = attacker.open(zmq.SUB, url)
        stranger.subscribe(b"")
        pusher = attacker.open(zmq.PUSH, url)
        pusher.send(b"x", zmq.NOBLOCK)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            peer.sendall(OLDEST_PROTOCOL)
        logged(launched, "coordinator", "Remote observer bob listens")
        logged(launched, "coordinator", f"its key {eve.public.decode()} is not allowed")
        logged(launched, "coordinator", "a remote observer was refused: it has no key, ")
        hurry(launched)
        assert control(launched, "resume").returncode == 0
        ended = launched.finish()
        assert not stranger.poll(0)
    said, errors = bob.communicate(timeout=60)
    assert_undisturbed(ended, example)
    assert (bob.returncode, errors) == (0, "")
    assert f"0 frames missed; stream digest {ended.summary['digest']['stream']}" in said
    kept = JournalReader(ended.run_folder / "journal").all_envelopes()
    bars = [each.message.block.n for each in kept if isinstance(each.message, SealedWindow)]
    assert said.startswith(f"{len(bars)} windows, {sum(bars)} bars, ")
    secrets = [
        server.pair.secret,
        eve.secret,
        *(path.read_bytes().split()[3] for path in keys.path.rglob("*.key")),
    ]
    files = [path for path in ended.run_folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        assert not any(secret in content or zmq.utils.z85.decode(secret) in content for secret in secrets)
    assert ended.json("plan.json")["remote"] == {"observe": url, "keys": ""}
    assert not any(secret.decode() in ended.stdout + ended.stderr for secret in secrets)


@contextmanager
def listening(url: str, server: bytes, pair: KeyPair) -> Iterator[RemoteObserver]:
    with closing(RemoteObserver(url, server, pair, (topics.SEALED,))) as observer:
        yield observer
        assert observer.receive(0) is None


def test_a_port_that_is_taken_or_keys_that_are_open_end_it_before_anything_runs(
    launch: Launcher, configure: Configure, tmp_path: Path, port: int
) -> None:
    keys = KeyFolder(tmp_path / "keys")
    keys.make((), make_pair)
    config = remote_session(configure, keys, port)
    with socket.create_server(("127.0.0.1", port)):
        taken = launch(config).finish()
    keys.server.chmod(0o644)
    opened = launch(config).finish()
    assert (taken.exit_code, taken.folder, opened.exit_code, opened.folder) == (2, None, 2, None)
    assert "remote.observe: " in taken.stderr
    assert "Address already in use" in taken.stderr
    assert "chmod 600" in opened.stderr


def test_a_run_in_one_process_serves_nobody_and_says_so(
    launch: Launcher, configure: Configure, example: Ended, tmp_path: Path, port: int
) -> None:
    remote = {"observe": f"tcp://127.0.0.1:{port}", "keys": str(tmp_path / "keys")}
    ended = launch(configure({"remote": remote}), "--inline").finish()
    assert_undisturbed(ended, example)
    assert "remote.observe: not served: a run in one process has no sockets" in ended.summary["warnings"]
