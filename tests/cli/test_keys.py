from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors.cli import main
from actors.domain.exit_codes import ExitCode
from actors.runtime.key_files import KeyFolder


def sessionflow(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="sessionflow")


def test_keys_are_made_and_only_paths_and_public_halves_are_printed(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = sessionflow("keys", folder, "--client", "bob")
    assert made.exit_code == ExitCode.DONE
    server = KeyFolder(folder).read_server()
    (bob,) = server.allowed
    assert made.output.splitlines() == [
        f"{folder / name}  {public.decode()}"
        for name, public in (
            ("server.key", server.pair.public),
            ("server.pub", server.pair.public),
            ("clients/bob.key", bob),
            ("allowed/bob.pub", bob),
        )
    ]
    secrets = [path.read_text().split()[3] for path in folder.rglob("*.key")]
    assert len(secrets) == 2
    assert not any(secret in made.output for secret in secrets)


def test_a_second_call_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    sessionflow("keys", folder, "--client", "bob")
    again = sessionflow("keys", folder)
    assert (again.exit_code, again.output) == (
        ExitCode.DONE,
        f"{folder} has a server's key; add a client with --client NAME\n",
    )
    twice = sessionflow("keys", folder, "--client", "bob")
    assert twice.exit_code == ExitCode.CONFIGURATION
    assert "bob.key is there already and is not overwritten" in twice.output


def test_listening_without_keys_or_to_no_address_says_what_is_missing(tmp_path: Path) -> None:
    nothing = sessionflow("listen", "tcp://127.0.0.1:9", "--keys", tmp_path / "x", "--as", "bob")
    assert nothing.exit_code == ExitCode.CONFIGURATION
    assert "make keys with `sessionflow keys`" in nothing.output
    sessionflow("keys", tmp_path / "keys", "--client", "bob")
    nowhere = sessionflow("listen", "here", "--keys", tmp_path / "keys", "--as", "bob")
    assert nowhere.exit_code == ExitCode.CONFIGURATION
    assert "is no address" in nowhere.output


def test_listening_to_nobody_ends_by_itself(tmp_path: Path, unused_port: int) -> None:
    sessionflow("keys", tmp_path / "keys", "--client", "bob")
    url = f"tcp://127.0.0.1:{unused_port}"
    heard = sessionflow("listen", url, "--keys", tmp_path / "keys", "--as", "bob", "--wait", "1")
    assert heard.exit_code == ExitCode.ACTOR_FAILED
    assert "nothing came within 1 s" in heard.output


@pytest.fixture
def unused_port() -> int:
    return 9
