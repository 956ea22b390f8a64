"""Find calls that may wait for ever, and uses of clocks, in the text of a module.

A wait is found by the name of what is called, whatever it is called on: a name that also belongs to something
harmless is worth a moment of thought.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

NOT_WAITING: Final = frozenset({"NOBLOCK", "DONTWAIT", "LOCK_NB", "WNOHANG", "LOCK_UN", "O_NONBLOCK"})
STARTS_PROCESS: Final = frozenset({"run", "call", "check_call", "check_output"})
WALL_CLOCK: Final = frozenset({"now", "utcnow", "today"})
MAKES_LOCK: Final = frozenset({"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"})


class Found(NamedTuple):
    """A place in a module, and what stands there."""

    line: int
    call: str


def waits(source: str) -> Iterator[Found]:
    """Find what may wait for ever."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _waits(node):
            yield Found(node.lineno, ast.unparse(node.func))
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("time.sleep", "signal.pause"):
            yield Found(node.lineno, ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (Found(node.lineno, "time.sleep") for name in node.names if name.name == "sleep")


def clocks(source: str) -> Iterator[Found]:
    """Find what reads a clock: anything of `time`, and `now`, `utcnow` or `today` of a date or a time."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(name.name == "time" for name in node.names):
            yield Found(node.lineno, "import time")
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield Found(node.lineno, "from time import")
        elif isinstance(node, ast.Attribute) and node.attr in WALL_CLOCK and _is_date(node.value):
            yield Found(node.lineno, ast.unparse(node))


def _is_date(node: ast.expr) -> bool:
    return _name_of(node) in ("date", "datetime")


def wall_clock_uses(source: str) -> Iterator[Found]:
    """Find what takes the wall clock's time from `actors.runtime.clock`."""
    for node in ast.walk(ast.parse(source)):
        if (isinstance(node, ast.Name) and node.id == "now_utc") or (
            isinstance(node, ast.Attribute) and node.attr == "now_utc"
        ):
            yield Found(node.lineno, ast.unparse(node))


def _waits(call: ast.Call) -> bool:
    name = _name(call.func)
    return name in _RULES and _RULES[name](call)


def _name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def _owner(call: ast.Call) -> str:
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _keyword(call: ast.Call, *names: str) -> bool:
    return any(word.arg in names and not _is_none(word.value) for word in call.keywords)


def _has_flag(call: ast.Call) -> bool:
    values = [*call.args, *(word.value for word in call.keywords)]
    return any(_name_of(node) in NOT_WAITING for value in values for node in ast.walk(value))


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _without_limit(position: int) -> Callable[[ast.Call], bool]:
    """Make a rule: the call must have a `timeout`, by name or as this argument."""

    def rule(call: ast.Call) -> bool:
        given = call.args[position] if len(call.args) > position else None
        return (given is None or _is_none(given)) and not _keyword(call, "timeout")

    return rule


def _without_flag(call: ast.Call) -> bool:
    return not _has_flag(call)


def _wait(call: ast.Call) -> bool:
    """`wait` of an event or a process takes the limit first, that of connections and futures second."""
    of_many = _owner(call).rpartition(".")[2] in ("", "connection", "futures")
    return _without_limit(1 if of_many else 0)(call)


def _os_wait(call: ast.Call) -> bool:
    return _owner(call) != "os" or not _has_flag(call)


def _get(call: ast.Call) -> bool:
    """`get` of a queue has no key; what is given is whether to wait."""
    blocks = not call.args or (isinstance(call.args[0], ast.Constant) and call.args[0].value is True)
    no_key = not any(word.arg not in ("block", "timeout") for word in call.keywords)
    return blocks and no_key and len(call.args) < 2 and not _keyword(call, "timeout") and not _refuses(call)


def _refuses(call: ast.Call) -> bool:
    values = [*call.args[:1], *(word.value for word in call.keywords if word.arg in ("block", "blocking"))]
    return any(isinstance(value, ast.Constant) and value.value is False for value in values)


def _acquire(call: ast.Call) -> bool:
    return len(call.args) < 2 and not _keyword(call, "timeout") and not _refuses(call)


def _process(call: ast.Call) -> bool:
    return _owner(call) == "subprocess" and not _keyword(call, "timeout")


def _select(call: ast.Call) -> bool:
    position = 3 if _owner(call) in ("select", "zmq") else 0
    return _without_limit(position)(call)


def _open_url(call: ast.Call) -> bool:
    return not _keyword(call, "timeout")


def _always(_: ast.Call) -> bool:
    return True


def _lock(call: ast.Call) -> bool:
    names = ("threading", "multiprocessing", "context")
    return _owner(call) in (names if _name(call.func) == "Barrier" else ("", *names))


_RULES: Final[Mapping[str, Callable[[ast.Call], bool]]] = {
    "poll": _without_limit(0),
    "join": _without_limit(0),
    "communicate": _without_limit(1),
    "result": _without_limit(0),
    "as_completed": _without_limit(1),
    "wait": _wait,
    "wait3": _without_flag,
    "wait4": _without_flag,
    "waitpid": _without_flag,
    "waitid": _without_flag,
    "sigwait": _always,
    "sigwaitinfo": _always,
    "select": _select,
    "get": _get,
    "acquire": _acquire,
    "flock": _without_flag,
    "lockf": _without_flag,
    "recv": _without_flag,
    "recv_into": _without_flag,
    "recv_bytes": _without_flag,
    "recv_multipart": _without_flag,
    "recv_string": _without_flag,
    "recvfrom": _without_flag,
    "accept": lambda call: not call.args,
    "send": _without_flag,
    "sendall": _without_flag,
    "send_multipart": _without_flag,
    "create_connection": _without_limit(1),
    "urlopen": _open_url,
    "input": _always,
    **dict.fromkeys(STARTS_PROCESS, _process),
    **dict.fromkeys(MAKES_LOCK, _lock),
}
