"""Read what a reader of an HTML page sees, as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.formats.markdown_writer import Break, MarkdownWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEEPEST = 1_000
"""Most elements inside each other: libxml2's time for an end tag grows with them. Browsers nest no more than 512."""

_NEVER_SHOWN = frozenset(
    {
        "annotation",
        "annotation-xml",
        "audio",
        "canvas",
        "datalist",
        "iframe",
        "meter",
        "noembed",
        "noframes",
        "noscript",
        "progress",
        "rp",
        "script",
        "style",
        "template",
        "title",
        "video",
    }
)
"""Elements whose content a browser does not show, scripts switched on."""

_NOT_SHOWN_IN_DRAWINGS = frozenset({"defs", "desc", "metadata", "symbol"})

_BLOCKS = (
    "address article aside body center details dialog div dl fieldset figcaption figure footer form header "
    "hgroup hr html legend main nav p search section summary caption"
)
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(_BLOCKS.split(), "block"),
    **dict.fromkeys(["dd", "dt", "optgroup", "option", "select"], "line"),
    **dict.fromkeys(["button", "img", "input", "marquee", "object", "svg", "textarea"], "space"),
    **dict.fromkeys(["listing", "plaintext", "pre", "xmp"], "code"),
    **dict.fromkeys(["dir", "menu", "ol", "ul"], "list"),
    **{f"h{level}": f"heading {level}" for level in range(1, 7)},
    "blockquote": "quote",
    "li": "item",
    "table": "table",
    "td": "cell",
    "th": "heading cell",
    "tr": "row",
}
"""The kind of an element, as :class:`MarkdownWriter` has it; others are inline: their text is not set apart."""

_KINDS_BY_DISPLAY: Mapping[str, str] = {
    **dict.fromkeys(["block", "flex", "flow-root", "grid", "table"], "block"),
    **dict.fromkeys(["list-item", "table-row"], "line"),
    **dict.fromkeys(["inline-block", "inline-flex", "inline-grid", "inline-table", "table-cell"], "space"),
}
_INPUTS_WITHOUT_TEXT = frozenset({"checkbox", "color", "file", "hidden", "image", "password", "radio", "range"})
_SECTIONS = ("article", "blockquote", "section")
_COUNTED = ("svg", "ruby", "rt", *_SECTIONS)
"""Elements that matter to what is in them, at any depth."""
_BESIDE_ROLES = frozenset({"contentinfo", "navigation", "search"})
"""Roles of what stands beside the content of a page, on each page of a site."""
_SOFT_HYPHEN = "\u00ad"


class Page(NamedTuple):
    """What a reader sees of a page.

    Attributes:
        title: On one line; empty if it has none.
        text: As Markdown.
    """

    title: str
    text: str


def read_page(html: str) -> Page:
    """Read a page: what is hidden is left out, words stay whole, and blocks, items and cells stand apart.

    Of a page with a ``main`` element that is read, else all but navigation and the page's footer, else what there is.

    Raises:
        RecordError: its elements are nested more than :data:`DEEPEST` deep.
    """
    content = html.replace("\r\n", "\n").replace("\r", "\n")
    if not content.strip():
        return Page("", "")
    reader = _Reader()
    # "replace": a lone surrogate cannot be decoded from bytes, but any str may be passed.
    parse_events(content.encode("utf-8", "replace"), reader, encoding="utf-8")
    return Page(" ".join("".join(reader.title).split()), reader.text())


def parse_events(content: bytes, target: etree.ParserTarget[None], *, encoding: str) -> None:
    """Parse HTML without a tree, whose depth libxml2 limits; the target gets the start and the end of each element."""
    parser = etree.HTMLParser(target=target, encoding=encoding, huge_tree=True)
    etree.fromstring(content, parser)


class _Element(NamedTuple):
    """An open element.

    Attributes:
        tag: Its name.
        is_displayed: Whether it takes part in the page at all.
        is_visible: Whether its text can be seen.
        kind: What the writer was told to open; None for inline elements.
        outer: The writer of what is around it, if it has one of its own.
    """

    tag: str
    is_displayed: bool
    is_visible: bool
    kind: str | None
    outer: MarkdownWriter | None = None


class _Reader:
    """Passes the visible text of a page to a writer."""

    def __init__(self) -> None:
        self.writer = self._page = MarkdownWriter()
        self._mains: list[MarkdownWriter] = []
        self._beside = MarkdownWriter()
        self.title: list[str] = []
        self._open = [_Element("", is_displayed=True, is_visible=True, kind=None)]
        self._titles = 0
        self._depths = dict.fromkeys(_COUNTED, 0)
        self._readings: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element."""
        parent = self._open[-1]
        if len(self._open) > DEEPEST:
            found = f"its elements are nested too deeply, more than {DEEPEST:,} inside each other"
            raise RecordError(f"{found}. Simplify the page, or convert it to text")
        style = _declarations(attributes["style"]) if "style" in attributes else {}
        is_visible = parent.is_visible
        if tag not in {"html", "body"} and "visibility" in style:
            is_visible = style["visibility"] not in {"hidden", "collapse"}
        is_displayed = parent.is_displayed and self._is_displayed(tag, attributes, style)
        kind = _kind(tag, style) if is_displayed else None
        outer = self._enter(tag, attributes, is_displayed=is_displayed)
        self._open.append(_Element(tag, is_displayed, is_visible, kind, outer))
        self._titles += tag == "title" and not self._depths["svg"]
        if tag in _COUNTED:
            self._depths[tag] += 1
        if kind is not None:
            self.writer.open(kind, _number(tag, attributes))
        if is_displayed and is_visible:
            self._write_attributes(tag, attributes)

    def end(self, tag: str) -> None:
        """Close the element that was opened last."""
        element = self._open.pop()
        if element.is_displayed and element.is_visible:
            self._write_end(tag)
        if element.kind is not None:
            self.writer.close(element.kind)
        if element.outer is not None:
            self.writer = element.outer
        if tag in _COUNTED:
            self._depths[tag] -= 1

    def data(self, text: str) -> None:
        """Write text, if it can be seen."""
        element = self._open[-1]
        if element.tag == "title" and self._titles == 1 and not self._depths["svg"]:
            self.title.append(text)
        elif element.is_displayed and element.is_visible:
            shown = text.replace(_SOFT_HYPHEN, "")
            if self._depths["ruby"] and self._depths["rt"]:
                self._readings.append(shown)
            else:
                self.writer.text(shown)

    def close(self) -> None:
        """End the page."""

    def text(self) -> str:
        """Return the content of the page, once it has ended."""
        mains = "\n\n".join(filter(None, (main.markdown() for main in self._mains)))
        return mains or self._page.markdown() or self._beside.markdown()

    def _enter(self, tag: str, attributes: Mapping[str, str], *, is_displayed: bool) -> MarkdownWriter | None:
        """Choose the writer of an element that is the main content or stands beside it; return the one around it."""
        role = attributes.get("role", "").strip().lower()
        outer = self.writer
        if not is_displayed or outer is self._beside:
            return None
        if "main" in {tag, role} and outer is self._page:
            self.writer = MarkdownWriter()
            self._mains.append(self.writer)
        elif tag == "nav" or role in _BESIDE_ROLES or self._is_footer_of_page(tag):
            self.writer = self._beside
        else:
            return None
        outer.space(Break.PARAGRAPH)
        return outer

    def _is_footer_of_page(self, tag: str) -> bool:
        return tag == "footer" and not any(self._depths[section] for section in _SECTIONS)

    def _is_displayed(self, tag: str, attributes: Mapping[str, str], style: Mapping[str, str]) -> bool:
        if tag in {"html", "body"}:  # hidden until a script shows them
            return True
        if tag in _NEVER_SHOWN or (self._depths["svg"] and tag in _NOT_SHOWN_IN_DRAWINGS):
            return False
        if "display" in style:
            return style["display"] != "none"
        # Browsers open "until-found" when its text is searched for.
        is_hidden = "hidden" in attributes and attributes["hidden"].strip().lower() != "until-found"
        return not is_hidden and not (tag == "dialog" and "open" not in attributes)

    def _write_attributes(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Write what a browser shows of attributes, and what an element shows without any text."""
        if tag == "br":
            self.writer.new_line()
        elif tag == "img":
            self.writer.text(attributes.get("alt", ""))
        elif tag == "input" and attributes.get("type", "").strip().lower() not in _INPUTS_WITHOUT_TEXT:
            self.writer.text(attributes.get("value", ""))
        elif tag == "optgroup":
            self.writer.text(attributes.get("label", ""))
            self.writer.space(Break.LINE)
        elif tag == "hr":
            self.writer.text("---")
        elif tag == "q":
            self.writer.text('"')

    def _write_end(self, tag: str) -> None:
        if tag == "q":
            self.writer.text('"')
        elif tag == "ruby" and self._readings:
            # After the whole word, which they would cut apart.
            readings = "".join(self._readings).split()
            self._readings.clear()
            if readings:
                self.writer.text(f"({' '.join(readings)})")


def _kind(tag: str, style: Mapping[str, str]) -> str | None:
    own = _KINDS.get(tag)
    return _KINDS_BY_DISPLAY.get(style.get("display", ""), own) if own in {None, "space"} else own


def _number(tag: str, attributes: Mapping[str, str]) -> int | None:
    """The number of a list's first item, or of an item."""
    if tag not in {"ol", "li"}:
        return None
    given = attributes.get("start" if tag == "ol" else "value", "").strip()
    is_number = re.fullmatch("[0-9]{1,9}", given) is not None
    return int(given) if is_number else (1 if tag == "ol" else None)


def _declarations(style: str) -> Mapping[str, str]:
    """The last value of each property, in lower case; one that is important counts more than those after it."""
    found: dict[str, str] = {}
    important: set[str] = set()
    for declaration in _without_comments(style.split("/*")).split(";"):
        name, _, value = declaration.partition(":")
        value, mark, _ = value.partition("!")
        name = name.strip().lower()
        if mark or name not in important:
            found[name] = value.strip().lower()
            important |= {name} if mark else set()
    return found


def _without_comments(parts: Iterable[str]) -> str:
    """Join what ``/*`` had split, without the comments' ends."""
    first, *others = parts
    return first + "".join(part.partition("*/")[2] for part in others)
