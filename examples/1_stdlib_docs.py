"""The docstrings of Python's standard library as JSON lines: a few thousand real texts that need no download.

    python examples/stdlib_docs.py > docs.jsonl
    embed-plugin ingest docs.jsonl --id-field id --model models/minilm-int8 --to qdrant --collection python

Modules written in Python are parsed, not imported, so nothing in them runs; modules written in C are imported
and inspected.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import re
import sys
import sysconfig
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

SHORTEST_DOCSTRING = 40
LEFT_OUT = {"antigravity", "distutils", "idlelib", "lib2to3", "readline"}
LEFT_OUT |= {"site-packages", "test", "tests", "this", "turtledemo"}
"""Jokes, tests, what newer Pythons no longer have, and readline, which talks to the terminal when it is imported."""
KNOWN_AS = {"posix": "os", "nt": "os"}


class Entry(NamedTuple):
    """One docstring."""

    name: str
    kind: str
    signature: str
    docstring: str


def entries() -> Iterator[Entry]:
    """Every public docstring, each name once, in the same order in every run."""
    library = Path(sysconfig.get_paths()["stdlib"])
    modules = sorted(sys.stdlib_module_names - LEFT_OUT)
    seen: set[str] = set()
    for found in [*_of_sources(library, modules), *_of_extensions(library, modules)]:
        if len(found.docstring) >= SHORTEST_DOCSTRING and found.name not in seen:
            seen.add(found.name)
            yield found


def _of_sources(library: Path, modules: Sequence[str]) -> Iterator[Entry]:
    for module in modules:
        files = [library / f"{module}.py", *sorted((library / module).rglob("*.py"))]
        for file in filter(Path.is_file, files):
            parts = file.relative_to(library).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if LEFT_OUT.isdisjoint(parts) and all(map(_is_public, parts)):
                tree = ast.parse(file.read_bytes())
                name = ".".join(parts)
                yield Entry(name, "module", "", ast.get_docstring(tree) or "")
                yield from _of_statements(tree.body, name, kind="function")


def _of_statements(statements: Sequence[ast.stmt], owner: str, *, kind: str) -> Iterator[Entry]:
    for statement in statements:
        if isinstance(statement, ast.If | ast.Try):
            handlers = statement.handlers if isinstance(statement, ast.Try) else []
            inner = [
                *statement.body,
                *(line for handler in handlers for line in handler.body),
                *statement.orelse,
            ]
            yield from _of_statements(inner, owner, kind=kind)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(statement.name):
            signature = f"({ast.unparse(statement.args)})"
            yield Entry(f"{owner}.{statement.name}", kind, signature, ast.get_docstring(statement) or "")
        elif isinstance(statement, ast.ClassDef) and _is_public(statement.name):
            name = f"{owner}.{statement.name}"
            yield Entry(name, "class", "", ast.get_docstring(statement) or "")
            yield from _of_statements(statement.body, name, kind="method")


def _of_extensions(library: Path, modules: Sequence[str]) -> Iterator[Entry]:
    """What is written in C; ``_functools.reduce`` is what users know as ``functools.reduce``."""
    for module in modules:
        public = KNOWN_AS.get(module, module.removeprefix("_"))
        written_in_python = (library / f"{module}.py").exists() or (library / module).is_dir()
        if public in sys.stdlib_module_names and not written_in_python and not public.startswith("xx"):
            imported = _import(module)
            if imported:
                yield from _of_module(imported, public)


def _import(module: str) -> ModuleType | None:
    try:
        return importlib.import_module(module) if importlib.util.find_spec(module) else None
    except (ImportError, ValueError):  # not on this platform
        return None


def _of_module(module: ModuleType, name: str) -> Iterator[Entry]:
    if module.__name__ == name:
        yield Entry(name, "module", "", inspect.getdoc(module) or "")
    for member, value in sorted(vars(module).items()):
        if not _is_public(member):
            continue
        if inspect.isclass(value):
            yield Entry(f"{name}.{member}", "class", "", inspect.cleandoc(value.__doc__ or ""))
            for method, function in sorted(vars(value).items()):
                if _is_public(method) and callable(function):
                    docstring = inspect.cleandoc(function.__doc__ or "")
                    yield Entry(f"{name}.{member}.{method}", "method", _signature(function), docstring)
        elif inspect.isbuiltin(value):
            yield Entry(f"{name}.{member}", "function", _signature(value), inspect.cleandoc(value.__doc__ or ""))


def _signature(function: object) -> str:
    signature = getattr(function, "__text_signature__", None)
    return re.sub(r"\$\w+(, /)?(, )?", "", signature) if signature else "(...)"


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def main() -> None:
    """Write one JSON object per docstring to stdout."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old modules, when they are parsed or imported
        for entry in entries():
            text = f"{entry.name}{entry.signature}\n\n{entry.docstring}"
            print(json.dumps({"id": entry.name, "kind": entry.kind, "text": text}))


if __name__ == "__main__":
    main()
