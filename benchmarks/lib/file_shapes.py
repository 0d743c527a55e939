"""Texts of any size in shapes that are hard to read or to cut, for every format that ingest reads."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, TypeAlias

from embed_plugin.ingest.read.formats.syntax import SYNTAXES

if TYPE_CHECKING:
    from collections.abc import Callable

Shape: TypeAlias = "Callable[[int], str]"
"""Makes a text of about so many bytes."""

_PROSE = "A line of prose has words of common lengths, and ends somewhere. "
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"


def repeated(unit: str, before: str = "", after: str = "") -> Shape:
    """A shape that repeats one text."""
    return lambda size: before + unit * (size // len(unit.encode())) + after


def nested(opening: str, closing: str) -> Shape:
    """A shape that opens and then closes."""
    return lambda size: opening * (size // len(opening + closing)) + closing * (size // len(opening + closing))


def base64(size: int) -> str:
    """Letters without a space."""
    return "".join(random.Random(0).choices(_LETTERS, k=size))  # noqa: S311


def json_line(size: int) -> str:
    """One JSON line with one long text."""
    return json.dumps({"text": repeated(_PROSE)(size)}) + "\n"


_PLAIN: dict[str, Shape] = {
    "prose": repeated(_PROSE),
    "paragraphs": repeated(_PROSE * 8 + "\n\n"),
    "tiny lines": repeated("a\n"),
    "tiny paragraphs": repeated("a\n\n"),
    "word": repeated("x"),
    "base64": base64,
    "Chinese": repeated("漢字仮名交文"),
    "minified JSON": repeated('{"k":[1,"v"]},'),
    "spaces": repeated(" ", "a", "b"),
    "line breaks": repeated("\n", "a", "b"),
    "dots": repeated("."),
    "combining marks": repeated("\u0301", "e"),
}
_MARKDOWN: dict[str, Shape] = {
    "item": repeated(_PROSE, "- "),
    "items": repeated("- a\n"),
    "nested items": lambda size: "\n".join("  " * level + "- a" for level in range(int(size**0.5))),
    "table": repeated("|aa|bb|\n", "|a|b|\n|-|-|\n"),
    "quotes": repeated(">"),
    "stars": repeated("*a "),
    "brackets": repeated("["),
    "open links": repeated("[a](b"),
    "fence": repeated(_PROSE + "\n", "```\n"),
    "backticks": lambda size: "".join("`" * (at % 200) + " " for at in range(size // 100)),
    "tags": repeated("<a "),
    "definitions": lambda size: "".join(f"[a{at}]: b\n" for at in range(size // 11)),
    **_PLAIN,
}
_CODE: dict[str, Shape] = {
    "string": repeated(_PROSE, 'a = "', '";\n'),
    "comment": repeated(_PROSE, "/* ", " */\n"),
    "hash comments": repeated(f"# {_PROSE}\n"),
    "open string": repeated(_PROSE, '"'),
    "brackets": nested("[", "]"),
    "blocks": nested("{", "}"),
    "open brackets": repeated("("),
    "sum": repeated('+"bcd"', 'x="a"'),
    "calls": repeated(".then(a)", "x"),
    "tiny lines": repeated("a;\n"),
    "word": repeated("x"),
    "array": repeated("0x11, ", "a = {", "};\n"),
    "branches": repeated("else if (a) b();\n", "if (a) b();\n"),
    "functions": repeated("function f(a, b) {\n  return a.b(1) + 2;\n}\n\n"),
}
_OF_ONE_LANGUAGE: dict[tuple[str, str], Shape] = {
    (".js", "minified"): repeated("function f(a,b){return a.x(b)+2*b[3]}", "!function(){", "}();"),
    (".js", "template"): repeated(_PROSE, "a = `", "`;\n"),
    (".tsx", "elements"): nested("<a>", "</a>"),
    (".py", "docstring"): repeated(_PROSE, '"""', '"""\n'),
    (".py", "functions"): repeated('def f(a, b):\n    """Say it."""\n    return a + b\n\n\n'),
    (".sh", "here document"): repeated(_PROSE + "\n", "cat <<EOF\n", "EOF\n"),
    (".c", "definitions"): repeated("#define A 1\n"),
    (".php", "page"): repeated(f"<p>{_PROSE}</p><?php f(1); ?>\n"),
}
_HTML: dict[str, Shape] = {
    "paragraph": repeated(_PROSE, "<p>", "</p>"),
    "paragraphs": repeated(f"<p>{_PROSE}</p>\n"),
    "spaces": repeated(" ", "<p>a", "b</p>"),
    "line breaks": repeated("\n", "<p>a", "b</p>"),
    "spaces in preformatted text": repeated(" ", "<pre>a", "b</pre>"),
    "tags": repeated("<b>a</b>"),
    "open tags": repeated("<p>"),
    "angles": repeated("<"),
    "references": repeated("&amp;"),
    "attribute": repeated("a b ", '<p title="', '">text</p>'),
    "comment": repeated(_PROSE, "<!-- ", " -->text"),
    "items": repeated("<li>a</li>", "<ul>", "</ul>"),
    "table": repeated("<tr><td>a</td><td>b</td></tr>", "<table>", "</table>"),
    "script": repeated("a();", "<script>", "</script>text"),
}
_ROWS: dict[tuple[str, str], Shape] = {
    (".jsonl", "rows"): repeated(json.dumps({"text": _PROSE, "n": 1}) + "\n"),
    (".jsonl", "one row"): json_line,
    (".csv", "rows"): repeated(f'1,"{_PROSE}"\n', "n,text\n"),
    (".csv", "one cell"): repeated(_PROSE, 'text\n"', '"\n'),
    (".csv", "quotes"): repeated('""', 'text\n"a', '"\n'),
    (".csv", "lines in a cell"): repeated("a\n", 'text\n"', '"\n'),
    (".csv", "columns"): lambda size: (
        "text," + ",".join(f"c{at}" for at in range(size // 16)) + "\na" + "," * (size // 16)
    ),
    (".tsv", "rows"): repeated(f"1\t{_PROSE}\n", "n\ttext\n"),
    (".tsv", "one cell"): repeated(_PROSE, "text\n", "\n"),
    (".parquet", "rows"): repeated(f"{_PROSE}\n"),
    (".parquet", "one row"): repeated(_PROSE),
}


def _suffixes_of_code() -> list[str]:
    """The first suffix of each programming language."""
    by_syntax: dict[str, str] = {}
    for suffix, syntax in SYNTAXES.items():
        by_syntax.setdefault(syntax, suffix)
    return [suffix for syntax, suffix in by_syntax.items() if syntax != "markdown"]


SHAPES: dict[tuple[str, str], Shape] = {
    **{(".txt", name): shape for name, shape in _PLAIN.items()},
    **{(".md", name): shape for name, shape in _MARKDOWN.items()},
    **{(suffix, name): shape for suffix in _suffixes_of_code() for name, shape in _CODE.items()},
    **_OF_ONE_LANGUAGE,
    **{(".html", name): shape for name, shape in _HTML.items()},
    **_ROWS,
}
"""Every shape, by the suffix of its file and its name."""
