"""The section on observers from other machines."""

import re
from ipaddress import ip_address
from typing import Final, Self

from pydantic import Field, model_validator

from actors.config.fields import FolderPath, Misfit, Section

_ADDRESS: Final = re.compile(
    r"tcp://(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+|\*)):(?P<port>[0-9]{1,5})"
)
_HIGHEST_PORT: Final = 65_535


class RemoteConfig(Section):
    """Observers that listen over TCP: always encrypted, always with keys, never more than listening."""

    observe: str | None = Field(
        default=None, description="Where they connect, such as tcp://127.0.0.1:5571; null: nowhere."
    )
    keys: FolderPath | None = Field(
        default=None, description="The folder that `sessionflow keys` has made; relative to this file's."
    )
    allow_remote: bool = Field(
        default=False, description="Listen on an address that other machines can reach too."
    )

    @model_validator(mode="after")
    def _guard_the_door(self) -> Self:
        if self.observe is None:
            return self
        host = _host(self.observe)
        if self.keys is None:
            message = (
                "is needed with observe: nobody listens without a key; make some with `sessionflow keys DIR`"
            )
            raise Misfit(("keys",), message)
        if not self.allow_remote and (host == "*" or not ip_address(host).is_loopback):
            message = f"{self.observe} can be reached from other machines; if that is meant, set allow_remote"
            raise Misfit(("observe",), message)
        return self


def _host(address: str) -> str:
    """Give the host of an address that can be listened on."""
    found = _ADDRESS.fullmatch(address)
    host = "" if found is None else found["six"] or found["four"]
    if found is None or not 0 < int(found["port"]) <= _HIGHEST_PORT or not _is_host(host):
        message = f'{address!r} is no address: write tcp://ADDRESS:PORT, such as "tcp://127.0.0.1:5571"'
        raise Misfit(("observe",), message)
    return host


def _is_host(host: str) -> bool:
    try:
        return host == "*" or bool(ip_address(host))
    except ValueError:
        return False
