"""Compare the tables of docs/protocol.md with the code that they describe.

`python tests/protocol/test_document.py` writes them anew.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from protocol import codec, journal, messages, topics
from protocol.blocks import BAR_DTYPE, QUALITY_DTYPE, BarFlag
from protocol.codec import HEADER, Stamp, decode, encode
from protocol.lifecycle import ACTOR_TRANSITIONS, PHASE_TRANSITIONS, ActorState, Phase
from protocol.messages import Ack, Message, Part, Signal

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
MODULE = ast.parse(inspect.getsource(messages))
EXAMPLE_TOPIC = "report/analysis"
EXAMPLE_STAMP = Stamp(run=7, epoch=0, sequence=42)
EXAMPLE = Ack("analysis", 41, (Signal(1_751_463_300_000_000_000, "AAPL", "BUY", 100.0, 0.8, "cross"),))


def table(*rows: tuple[object, ...]) -> str:
    head, *body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def struct_classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for node in MODULE.body if isinstance(node, ast.ClassDef)}


def prose(docstring: str | None) -> str:
    return " ".join((docstring or "").split())


def fields_of(node: ast.ClassDef, number: int) -> Iterator[tuple[object, ...]]:
    """Give position, name, type and meaning of every field as the source has them, counted from `number`."""
    for item, follower in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield number, f"`{item.target.id}`", wire_type(ast.unparse(item.annotation)), meaning(follower)
            number += 1


def meaning(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return prose(str(node.value.value))
    return ""


def wire_type(annotation: str) -> str:
    """Write a Python annotation without Python."""
    text = annotation.replace("'", "").replace('"', "")
    if match := re.fullmatch(r"tuple\[(\w+), \.\.\.\]", text):
        return f"array of {match[1]}"
    if match := re.fullmatch(r"Mapping\[(\w+), (\w+)\]", text):
        return f"map of {match[1]} to {match[2]}"
    if match := re.fullmatch(r"Literal\[(.*)\]", text):
        return " or ".join(f'"{value}"' for value in match[1].split(", "))
    return text


def structure(name: str, *, tagged: bool) -> str:
    node = struct_classes()[name]
    tag: list[tuple[object, ...]] = [(0, "", f'"{name}"', "the tag")] if tagged else []
    rows = table(("#", "field", "type", "meaning"), *tag, *fields_of(node, len(tag)))
    return f"### {name}\n\n{prose(ast.get_docstring(node))}\n\n{rows}"


def group(union: UnionType | type) -> str:
    return "\n\n".join(structure(kind.__name__, tagged=True) for kind in get_args(union) or (union,))


def parts() -> str:
    return "\n\n".join(structure(kind.__name__, tagged=False) for kind in Part.__subclasses__())


def aliases() -> str:
    names = [ast.unparse(node.targets[0]) for node in MODULE.body if isinstance(node, ast.Assign)]
    rows = [(name, describe(msgspec.inspect.type_info(getattr(messages, name)))) for name in names]
    return table(("type", "MessagePack"), *(row for row in rows if row[0] != "Level"))


def describe(info: msgspec.inspect.Type) -> str:
    return DESCRIPTIONS[type(info)](info)


def text_limits(info: msgspec.inspect.StrType) -> str:
    pattern = (info.pattern or "").removeprefix("^").removesuffix(r"\Z")
    shape = f", the whole of it `{pattern}`" if pattern else ""
    return f"str, {info.min_length or 0} to {info.max_length} characters{shape}"


DESCRIPTIONS: dict[type[msgspec.inspect.Type], Callable[[Any], str]] = {
    msgspec.inspect.IntType: lambda info: f"int, {info.ge} to {info.le}",
    msgspec.inspect.FloatType: lambda _: "float, neither NaN nor infinite",
    msgspec.inspect.StrType: text_limits,
    msgspec.inspect.LiteralType: lambda info: "str, " + " or ".join(f'"{value}"' for value in info.values),
}


def layout(dtype: np.dtype[np.void]) -> str:
    rows: list[tuple[object, ...]] = []
    fields: Mapping[str, Any] = dtype.fields or {}
    for name in dtype.names or ():
        field, offset = fields[name][:2]
        rows.append((offset, field.itemsize, f"`{name}`", f"{field.kind}{field.itemsize * 8}"))
    return table(("offset", "bytes", "field", "type"), *rows)


def hexed(data: bytes) -> str:
    return f"`{data.hex(' ')}`"


def flags() -> str:
    return table(("bit", "name"), *((flag.value, flag.name) for flag in BarFlag))


def frame_pieces() -> list[tuple[bytes, str]]:
    """Take the example frame apart, every piece with its meaning."""
    frame = encode(EXAMPLE_TOPIC, EXAMPLE, EXAMPLE_STAMP)
    start = len(topics.prefix(EXAMPLE_TOPIC))
    body = start + HEADER.size
    cuts = [0, start - 1, start, start + 2, start + 4, start + 8, start + 16, start + 20, start + 24, body]
    words = [
        f'topic "{EXAMPLE_TOPIC}"',
        "end of the topic",
        'magic "SF"',
        "version 1",
        "CRC-32",
        f"run {EXAMPLE_STAMP.run}",
        f"epoch {EXAMPLE_STAMP.epoch}",
        f"body length {len(frame) - body}",
        f"sequence {EXAMPLE_STAMP.sequence}",
    ]
    head = [(frame[a:b], word) for (a, b), word in zip(pairwise(cuts), words, strict=True)]
    return [*head, *body_pieces(["Ack", *msgspec.structs.astuple(EXAMPLE)])]


def body_pieces(value: object) -> list[tuple[bytes, str]]:
    items = list(msgspec.structs.astuple(value)) if isinstance(value, msgspec.Struct) else value
    if not isinstance(items, list | tuple):
        return [(msgspec.msgpack.encode(value), str(value))]
    opening = bytes([0x90 | len(items)]), f"array of {len(items)}"
    return [opening, *(piece for item in items for piece in body_pieces(item))]


def frame_example() -> str:
    offset, rows = 0, []
    for data, words in frame_pieces():
        rows.append((offset, hexed(data), words))
        offset += len(data)
    return table(("offset", "bytes", "meaning"), *rows)


def journal_example() -> str:
    frame = b"frame"
    record = journal.encode_record(frame)
    return table(
        ("bytes", "meaning"),
        (hexed(journal.encode_header(EXAMPLE_STAMP.run)), 'segment header: "SFJ1", version 1, zeros, run 7'),
        (hexed(record[:4]), "length of the frame: 5"),
        (hexed(record[4:8]), "CRC-32 of the frame"),
        (hexed(record[8:]), "CRC-32 of the eight bytes before"),
        (hexed(frame), 'the frame (here the five letters "frame")'),
    )


def diagram(lines: list[str]) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"])


def phase_diagram() -> str:
    steps = [f"{a.name} --> {b.name}: {event}" for (a, event), b in PHASE_TRANSITIONS.items()]
    first, last = Phase.INITIALIZATION, Phase.END_OF_SESSION
    return diagram([f"[*] --> {first.name}", *steps, f"{last.name} --> [*]"])


def actor_diagram() -> str:
    states = list(ActorState)
    order = sorted(ACTOR_TRANSITIONS.items(), key=lambda row: (states.index(row[0][0]), row[0][1]))
    steps = [f"{a} --> {b}: {event}" for (a, event), b in order]
    return diagram([f"[*] --> {ActorState.SPAWNED}", *steps, "exited --> [*]", "failed --> [*]"])


SECTIONS: dict[str, Callable[[], str]] = {
    "types": aliases,
    "frame example": frame_example,
    "bar record": lambda: layout(BAR_DTYPE),
    "bar flags": flags,
    "quality record": lambda: layout(QUALITY_DTYPE),
    "parts": parts,
    "ingest": lambda: group(messages.INGEST),
    "stream": lambda: group(messages.STREAM),
    "report": lambda: group(messages.REPORT),
    "command": lambda: group(messages.COMMAND),
    "journal example": journal_example,
    "phases": phase_diagram,
    "actor states": actor_diagram,
}


def section_pattern(name: str) -> re.Pattern[str]:
    opening = re.escape(f"<!-- made from the code: {name} -->\n")
    return re.compile(f"({opening})(.*?)(\n<!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    for name, render in SECTIONS.items():
        head, opening, _, closing, tail = section_pattern(name).split(text)
        text = f"{head}{opening}{render()}{closing}{tail}"
    return text


@pytest.mark.parametrize("name", SECTIONS)
def test_the_document_says_what_the_code_does(name: str) -> None:
    ((_, written, _),) = section_pattern(name).findall(DOCUMENT.read_text())
    assert written == SECTIONS[name](), "run: python tests/protocol/test_document.py"


def test_the_pieces_of_the_example_are_the_frame_and_decode_to_the_message() -> None:
    frame = b"".join(data for data, _ in frame_pieces())
    assert frame == encode(EXAMPLE_TOPIC, EXAMPLE, EXAMPLE_STAMP)
    assert decode(frame).message == EXAMPLE


def test_a_client_that_follows_the_document_reads_the_example_with_struct_and_messagepack_alone() -> None:
    frame = b"".join(data for data, _ in frame_pieces())
    topic, _, rest = frame.partition(b"\0")
    assert rest[:2] == b"SF"
    numbers = {
        name: int.from_bytes(rest[offset : offset + size], "little")
        for name, offset, size in (("version", 2, 2), ("run", 8, 8), ("length", 20, 4), ("sequence", 24, 8))
    }
    body = rest[32:]
    assert topic == b"report/analysis"
    assert numbers == {"version": 1, "run": 7, "length": len(body), "sequence": 42}
    signal = [1_751_463_300_000_000_000, "AAPL", "BUY", 100.0, 0.8, "cross", None, None, "cancelled"]
    assert msgspec.msgpack.decode(body) == ["Ack", "analysis", 41, [signal]]


def test_the_document_names_every_limit_and_every_topic() -> None:
    text = DOCUMENT.read_text()
    assert f"{codec.MAX_FRAME_BYTES:,}" in text
    assert f"{BAR_DTYPE.itemsize} bytes" in text
    assert f"{QUALITY_DTYPE.itemsize} bytes" in text
    stream = ("raw", "sealed", "signal", "phase", "session", "control")
    for topic in (*stream, "to/", "report/", "ingest/", "command/"):
        assert f"`{topic}" in text
    for kind in Message.__subclasses__():
        assert f"### {kind.__name__}\n" in text


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text()))
