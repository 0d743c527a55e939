"""Make the text of a record of the text of a file, without the parts that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.ingest.read.left_out.blobs import blob_parts
from embed_plugin.ingest.read.left_out.contents import contents_parts
from embed_plugin.ingest.read.left_out.front_matter import read_front_matter
from embed_plugin.ingest.read.left_out.licence import licence_parts
from embed_plugin.ingest.records import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from embed_plugin.ingest.records import JSON


class Cleaned(NamedTuple):
    """The text of a file as it is embedded.

    Attributes:
        text: Without the parts that are left out.
        metadata: That of its front matter.
        left_out: The parts, in order.
    """

    text: str
    metadata: Mapping[str, JSON]
    left_out: tuple[LeftOut, ...]


def clean(text: str, syntax: str) -> Cleaned:
    """Leave out of a file's text what is not embedded, by its syntax; plain text stays as it is.

    Of Markdown these are front matter, data URIs and base64, and lists of links to the page's own headings; of source
    code the licence at its top. A text of nothing else stays as it is, but for front matter and base64.
    """
    if syntax == "text":
        return Cleaned(text, {}, ())
    if syntax != "markdown":
        return _cleaned(text, licence_parts(text, syntax), {})
    matter = read_front_matter(text)
    start = matter.end if matter else 0
    parts = [(0, start), *blob_parts(text, start), *contents_parts(text, start)]
    return _cleaned(text, sorted(part for part in parts if part[1] > part[0]), matter.metadata if matter else {})


def without_blobs(text: str) -> str:
    """Leave data URIs and base64 out of a text."""
    return _cleaned(text, blob_parts(text, 0), {}).text


def _cleaned(text: str, parts: Iterable[tuple[int, int]], metadata: Mapping[str, JSON]) -> Cleaned:
    kept: list[str] = []
    left_out: list[LeftOut] = []
    end = length = 0
    for start, stop in parts:
        first = max(start, end)  # of two that overlap the second one begins behind the first
        if stop <= first:
            continue
        kept.append(text[end:first])
        length += first - end
        left_out.append(LeftOut(length, stop - first, text.count("\n", first, stop)))
        end = stop
    return Cleaned("".join([*kept, text[end:]]), metadata, tuple(left_out))
