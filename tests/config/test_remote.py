import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config import parse_config
from actors.config.remote import RemoteConfig
from actors.domain.errors import ConfigError
from tests.config.test_names import DOCUMENT


def refusal(**remote: object) -> str:
    try:
        parse_config({**DOCUMENT, "remote": remote})
    except ConfigError as error:
        return str(error)
    return ""


def test_nothing_is_served_unless_it_is_asked_for() -> None:
    assert parse_config(DOCUMENT).remote == RemoteConfig(observe=None, keys=None, allow_remote=False)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:5571", "tcp://127.1.2.3:1", "tcp://[::1]:65535"])
def test_a_loopback_address_with_keys_is_served(address: str) -> None:
    assert refusal(observe=address, keys="keys") == ""


def test_without_keys_nothing_is_served() -> None:
    assert "remote.keys: is needed with observe" in refusal(observe="tcp://127.0.0.1:5571")
    message = refusal(observe="tcp://0.0.0.0:5571", allow_remote=True)
    assert "make some with `sessionflow keys DIR`" in message


@pytest.mark.parametrize(
    "address",
    ["tcp://*:5571", "tcp://0.0.0.0:5571", "tcp://192.168.0.7:5571", "tcp://[::]:5571", "tcp://8.8.8.8:1"],
)
def test_an_address_that_others_can_reach_must_be_meant(address: str) -> None:
    assert "remote.observe: " in refusal(observe=address, keys="keys")
    assert "if that is meant, set allow_remote" in refusal(observe=address, keys="keys")
    assert refusal(observe=address, keys="keys", allow_remote=True) == ""


@pytest.mark.parametrize(
    "address",
    [
        "", "127.0.0.1:5571", "tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://:5571",
        "tcp://localhost:5571", "tcp://eth0:5571", "tcp://127.0.0.1:*", "ipc:///tmp/x", "inproc://x", "udp://127.0.0.1:1",
        "tcp://127.0.0.1:5571;tcp://0.0.0.0:1", "tcp://999.0.0.1:5571", "tcp://127.0.0.1:5571\n", "tcp://[127.0.0.1:5571",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    for allowed in (False, True):
        message = refusal(observe=address, keys="keys", allow_remote=allowed)
        assert 'write tcp://ADDRESS:PORT, such as "tcp://127.0.0.1:5571"' in message


@given(st.text("tcp:/0123456789.*[]abz\n ", max_size=24) | st.from_regex(r"tcp://[0-9.]{1,15}:[0-9]{1,6}"))
def test_no_address_gets_by_without_being_loopback(address: str) -> None:
    if refusal(observe=address, keys="keys") == "":
        assert address.startswith(("tcp://127.", "tcp://[::1]:", "tcp://[0"))
