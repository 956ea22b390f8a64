from pathlib import Path

import pytest

from actors.runtime.key_files import KeyFolder, KeyProblem, read_pair
from actors.runtime.remote import make_pair


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


def test_keys_are_made_for_their_owner_alone_and_read_back(keys: KeyFolder) -> None:
    made = keys.make(("bob", "eve", "bob"), make_pair)
    assert set(made) == {
        keys.server, keys.server_public, keys.client("bob"), keys.allowed("bob"), keys.client("eve"),
        keys.allowed("eve"),
    }  # fmt: skip
    assert modes(keys.path) == {0o600}
    for folder in (keys.path, keys.path / "clients", keys.path / "allowed"):
        assert folder.stat().st_mode & 0o777 == 0o700
    server = keys.read_server()
    assert server.allowed == {made[keys.allowed("bob")]: "bob", made[keys.allowed("eve")]: "eve"}
    assert server.pair.public == made[keys.server]


def test_a_secret_is_in_no_text_made_of_a_pair(keys: KeyFolder) -> None:
    keys.make((), make_pair)
    server = keys.read_server()
    for text in (repr(server), str(server), f"{server.pair}", repr(server.pair)):
        assert server.pair.secret.decode() not in text


def test_nothing_is_overwritten_and_a_client_may_be_added_later(keys: KeyFolder) -> None:
    keys.make(("bob",), make_pair)
    before = {path: path.read_bytes() for path in keys.path.rglob("*") if path.is_file()}
    with pytest.raises(KeyProblem, match=r"bob\.key is there already and is not overwritten"):
        keys.make(("new", "bob"), make_pair)
    assert set(keys.make(("eve",), make_pair)) == {keys.client("eve"), keys.allowed("eve")}
    assert {path: path.read_bytes() for path in before} == before
    assert not keys.client("new").exists()


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "a b", "a" * 33, ".x", "a\n", "\x1b"])
def test_a_name_that_is_no_plain_file_name_is_refused(keys: KeyFolder, name: str) -> None:
    with pytest.raises(KeyProblem, match="cannot be a client's name"):
        keys.make((name,), make_pair)
    assert not keys.path.exists()


def test_a_folder_that_others_may_look_into_or_that_is_a_link_gets_no_keys(
    keys: KeyFolder, tmp_path: Path
) -> None:
    keys.path.mkdir()
    keys.path.chmod(0o755)
    with pytest.raises(KeyProblem, match="chmod 700"):
        keys.make((), make_pair)
    (tmp_path / "link").symlink_to(keys.path)
    with pytest.raises(KeyProblem, match="no symbolic link"):
        KeyFolder(tmp_path / "link").make((), make_pair)
    assert not any(keys.path.iterdir())


def test_a_link_in_the_place_of_a_key_is_not_written_through(keys: KeyFolder, tmp_path: Path) -> None:
    keys.path.mkdir(mode=0o700)
    keys.server.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyProblem, match=r"server\.key: cannot be written \(File exists\)"):
        keys.make((), make_pair)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "content", [b"", b"public x\nsecret y\n", b"\xff" * 100, b"public " + b"a" * 40 + b"\n"]
)
def test_a_file_that_is_no_key_is_refused_without_being_shown(keys: KeyFolder, content: bytes) -> None:
    keys.make((), make_pair)
    keys.server.write_bytes(content)
    with pytest.raises(KeyProblem, match=r"server\.key: is no key file; make keys with `sessionflow keys`"):
        read_pair(keys.server)


def test_a_key_that_others_may_read_is_refused(keys: KeyFolder) -> None:
    keys.make((), make_pair)
    keys.server.chmod(0o644)
    with pytest.raises(KeyProblem, match=r"server\.key is open to others \(644\): run `chmod 600"):
        keys.read_server()


def test_keys_that_are_not_there_are_missed_by_name(keys: KeyFolder) -> None:
    with pytest.raises(KeyProblem, match="keys cannot be looked at: No such file"):
        keys.read_server()
    keys.path.mkdir(mode=0o700)
    with pytest.raises(KeyProblem, match=r"server\.key: cannot be read \(No such file or directory\)"):
        keys.read_server()
