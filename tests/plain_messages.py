"""One plain example of every message, and what is wrong in each of its places, by construction."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, get_args

import msgspec
from msgspec import inspect

from protocol import messages, topics
from protocol.blocks import BAR_DTYPE, QUALITY_DTYPE, BarBlock, FloatBlock, QualityBlock, TimeBlock
from protocol.messages import Message

RECORD_BYTES: Final = {
    BarBlock: BAR_DTYPE.itemsize,
    QualityBlock: QUALITY_DTYPE.itemsize,
    TimeBlock: 8,
    FloatBlock: 8,
}
CHANNELS: Final[Mapping[str, Any]] = {
    "ingest/loader": messages.INGEST,
    "report/analysis": messages.REPORT,
    "command/analysis": messages.COMMAND,
    "to/analysis": messages.STREAM,
    topics.CONTROL: messages.STREAM,
    topics.RAW: messages.RawWindow,
    topics.SEALED: messages.SealedWindow,
    topics.SIGNAL: messages.Signals,
    topics.PHASE: messages.PhaseEvent,
    topics.SESSION: messages.SessionReport,
}
SENT: Final = [(topic, kind) for topic, union in CHANNELS.items() for kind in (get_args(union) or (union,))]
"""Every topic with every message that may be sent on it."""
DEEP: Final[Any] = msgspec.Raw(b"\x91" * 5_000 + b"\x00")
HOSTILE: Final[Mapping[type[inspect.Type], tuple[Any, ...]]] = {
    inspect.IntType: (None, "1", 1.5, True, 2**63, 2**64 - 1, -(2**63), [], {}, DEEP),
    inspect.FloatType: (None, "1", True, math.nan, math.inf, -math.inf, [], DEEP),
    inspect.BoolType: (None, 0, 1, "true", [], DEEP),
    inspect.StrType: (None, 1, b"a", [], "x" * 70_000, msgspec.Raw(b"\xa2\xff\xfe"), DEEP),
    inspect.LiteralType: (None, "", "nothing", 1, [], DEEP),
    inspect.VarTupleType: (None, 1, "", {}, [DEEP], msgspec.Raw(b"\xdd\xff\xff\xff\xff"), DEEP),
    inspect.DictType: (None, 1, "", [], {1: 1}, msgspec.Raw(b"\xdf\xff\xff\xff\xff"), DEEP),
    inspect.StructType: (None, 1, "", {}, [], [1, 2, 3, 4, 5, 6, 7, 8, 9], DEEP),
    inspect.NoneType: (),
}
"""What no field of such a type takes; -(2**63) is an instant, and is left out where that fits."""


def plain(kind: type[Message]) -> Message:
    """Make the plain example of a message."""
    message: Message = _plain(inspect.type_info(kind))
    return message


def with_hostile_values(kind: type[Message]) -> Iterator[tuple[str, list[Any]]]:
    """Yield arrays of the message that are wrong at one place, which is named."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    yield from (
        (f"{kind.__name__}.{place}", [kind.__name__, *fields]) for place, fields in _spoilt(info, depth=0)
    )


def _spoilt(info: inspect.StructType, depth: int) -> Iterator[tuple[str, list[Any]]]:
    """Replace, one after the other, each value of a struct, and of the structs that it is made of."""
    whole = [msgspec.to_builtins(_plain(field.type), builtin_types=(bytes,)) for field in info.fields]
    for position, field in enumerate(info.fields):
        for value in _wrong(field.type):
            yield f"{field.name}={value!r:.20}", [*whole[:position], value, *whole[position + 1 :]]
        for inner, wrap in _parts(field.type):
            for place, fields in _spoilt(inner, depth + 1):
                yield f"{field.name}.{place}", [*whole[:position], wrap(fields), *whole[position + 1 :]]


def _parts(info: inspect.Type) -> Iterator[tuple[inspect.StructType, Callable[[list[Any]], Any]]]:
    """Give the structs within a type, and how one is wrapped."""
    match info:
        case inspect.StructType():
            if info.cls not in RECORD_BYTES:
                yield info, list
        case inspect.VarTupleType(item_type=inspect.StructType() as item):
            yield item, lambda fields: [fields]
        case inspect.DictType(value_type=inspect.StructType() as item):
            yield item, lambda fields: {"a": fields}
        case inspect.UnionType():
            for each in info.types:
                yield from _parts(each)


def _wrong(info: inspect.Type) -> Iterator[Any]:
    if isinstance(info, inspect.UnionType):
        (kind,) = (each for each in info.types if not isinstance(each, inspect.NoneType))
        yield from (value for value in _wrong(kind) if value is not None)
        return
    yield from (value for value in HOSTILE[type(info)] if not _fits(info, value))
    if isinstance(info, inspect.StructType) and info.cls in RECORD_BYTES:
        size = RECORD_BYTES[info.cls]
        yield from ([1, b""], [0, b"\0"], [1, bytes(size + 1)], [2, bytes(size)], [-1, b""], [2**62, b"\0"])


def _fits(info: inspect.Type, value: object) -> bool:
    """Whether a whole number is within the field's own bounds, so that it is not wrong here."""
    if not isinstance(info, inspect.IntType) or type(value) is not int:
        return False
    return (info.ge is None or value >= info.ge) and (info.le is None or value <= info.le)


def _struct(info: inspect.StructType) -> Any:  # noqa: ANN401
    if info.cls in RECORD_BYTES:
        return info.cls(1, bytes(RECORD_BYTES[info.cls]))
    return info.cls(**{field.name: _plain(field.type) for field in info.fields})


_PLAIN: Final[Mapping[type[inspect.Type], Callable[[Any], Any]]] = {
    inspect.IntType: lambda info: max(1, info.ge or 0),
    inspect.FloatType: lambda _: 1.5,
    inspect.BoolType: lambda _: False,
    inspect.StrType: lambda _: "a",
    inspect.LiteralType: lambda info: info.values[0],
    inspect.VarTupleType: lambda info: (_plain(info.item_type),),
    inspect.DictType: lambda info: {"a": _plain(info.value_type)},
    inspect.StructType: _struct,
    inspect.UnionType: lambda info: _plain(
        next(each for each in info.types if not isinstance(each, inspect.NoneType))
    ),
}


def _plain(info: inspect.Type) -> Any:  # noqa: ANN401
    return _PLAIN[type(info)](info)
