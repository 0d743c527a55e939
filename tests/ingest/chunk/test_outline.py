from __future__ import annotations

from embed_plugin.ingest.chunk.outline import LONGEST_HEADING, outline_of

MARKDOWN = """# The guide

intro

## Install

with pip

### Behind a [proxy](proxy.md) {#proxy}

set it

```sh
# no heading
```

Use
---

run it
"""
PYTHON = '''"""Doc with
class Nothing:
"""
import os

@cache
def one(
    a: int,
) -> int:
    """Doc."""
    return a


class Two:
    """Doc."""

    def three(self):
        x = 1

        class Four:
            pass

y = 2
'''


def paths(text: str, syntax: str, *parts: str) -> list[tuple[str, ...]]:
    outline = outline_of(text, syntax)
    starts = [text.index(part) for part in parts]
    return [outline.path(start, start + len(part)) for start, part in zip(starts, parts, strict=True)]


def test_a_piece_of_markdown_stands_under_the_headings_over_its_first_text() -> None:
    found = paths(MARKDOWN, "markdown", "intro", "## Install\n\nwith", "set it", "# no", "Use\n---\n\nrun it")
    guide = "The guide"
    assert found == [
        (guide,),
        (guide, "Install"),
        (guide, "Install", "Behind a proxy"),
        (guide, "Install", "Behind a proxy"),
        (guide, "Use"),
    ]
    assert outline_of(MARKDOWN, "markdown").title == guide
    assert outline_of("## Second\n", "markdown").title == ""


def test_a_piece_of_python_stands_under_what_defines_it_or_it_is_in() -> None:
    found = paths(
        PYTHON,
        "python",
        "class Nothing",
        "import os",
        "@cache\ndef one(\n    a: int,\n) -> int:\n    ",
        "return a",
        "class Two:\n    ",
        "    def three",
        "x = 1",
        "pass",
        "y = 2",
    )
    assert found == [(), (), ("one",), ("one",), ("Two",), ("Two", "three"), ("Two", "three"),
                     ("Two", "three", "Four"), ()]  # fmt: skip


def test_plain_text_and_other_languages_have_no_headings() -> None:
    for syntax in ("text", "c", "go"):
        outline = outline_of("# a\nb", syntax)
        assert (outline.title, outline.path(0, 5)) == ("", ())


def test_a_long_heading_is_shortened() -> None:
    outline = outline_of("# " + "word " * 100_000 + "\n\ntext", "markdown")
    assert len(outline.title) == LONGEST_HEADING
