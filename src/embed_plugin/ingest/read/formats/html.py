"""HTML to the text that a reader sees, as Markdown."""

from __future__ import annotations

import codecs
import re
from html import unescape

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from markdownify import ATX, MarkdownConverter

from embed_plugin.errors import RecordError

_UNSEEN = ("script", "style", "template", "noscript", "title")
_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
# Addresses and the backslashes of escapes are noise to a model.
_CONVERTER = MarkdownConverter(
    heading_style=ATX, strip=["a"], escape_asterisks=False, escape_underscores=False, escape_misc=False
)


def declared_encoding(content: bytes) -> str | None:
    """The encoding that the page itself names; None where it names none that is known."""
    name = EncodingDetector.find_declared_encoding(content, is_html=True)
    try:
        # A name that could be read is in bytes that are no UTF-16, whatever it says.
        return None if name is None or name.startswith("utf-16") else codecs.lookup(name).name
    except LookupError:
        return None


def markdown_of(page: str, path: str) -> tuple[str, str]:
    """The title (may be empty) and the text of a page: headings, lists, tables and code as Markdown has them.

    Links keep their text, images their description; scripts and styles are left out.

    Raises:
        RecordError: its elements are nested too deeply.
    """
    # Beautiful Soup warns of what has no elements or begins like XML, for it may be a mistake.
    if "<" not in page:
        return "", unescape(page).strip()
    soup = BeautifulSoup(_XML_DECLARATION.sub("", page, count=1), "lxml")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for element in soup(_UNSEEN):
        element.decompose()
    for image in soup("img"):
        image.replace_with(str(image.get("alt") or ""))
    try:
        return title, _CONVERTER.convert_soup(soup).strip()
    except RecursionError as error:
        message = f"{path}: its elements are nested too deeply. Simplify the page, or convert it to text"
        raise RecordError(message) from error
