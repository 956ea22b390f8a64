"""Write to a descriptor until all is written."""

import os


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write everything: a disk that is nearly full takes less than it is given, and only then says so.

    Raises OSError; part of it may be written by then.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
