"""Find, in the text of a module, what could run code that came from outside."""

import ast
from collections.abc import Iterator
from typing import Final

MODULES: Final = frozenset(
    {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "code"}
)
NAMES: Final = frozenset({"eval", "exec", "compile", "__import__"})
ATTRIBUTES: Final = frozenset({"send_pyobj", "recv_pyobj", "read_pickle", "to_pickle"})
SHELLS: Final = frozenset({"os.system", "os.popen"})


def forbidden(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every such import and call."""
    for node in ast.walk(ast.parse(source)):
        yield from ((node.lineno, what) for what in _found(node))  # type: ignore[attr-defined]


def _found(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (name.name for name in node.names if name.name.partition(".")[0] in MODULES)
        case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
            yield module
        case ast.Call():
            yield from _called(node)
        case ast.Attribute(attr=name) if name in ATTRIBUTES or ast.unparse(node) in SHELLS:
            yield name
        case _:
            return


def _called(call: ast.Call) -> Iterator[str]:
    if isinstance(call.func, ast.Name) and call.func.id in NAMES:
        yield call.func.id
    for word in call.keywords:
        if word.arg in ("shell", "allow_pickle") and not _is_false(word.value):
            yield f"{word.arg}="


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False
