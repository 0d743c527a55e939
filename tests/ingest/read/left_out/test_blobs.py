from __future__ import annotations

import base64
import hashlib

import pytest

from embed_plugin.ingest.read.left_out.clean import without_blobs

BYTES = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(12))
ENCODED = base64.b64encode(BYTES).decode()
WRAPPED = base64.encodebytes(BYTES).decode().rstrip("\n")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (f"a ![photo](data:image/png;base64,{ENCODED}) b", "a ![photo]() b"),
        (f"a\n\n[image1]: <data:image/png;base64,{ENCODED}>\nb", "a\n\n\nb"),
        (f"[image1]: data:image/png;base64,{ENCODED}", ""),
        (f'<img src="data:image/svg+xml;utf8,{"%3Csvg" * 30}">', '<img src="">'),
        (f"key: {ENCODED}.", "key: ."),
        (f"```\n{WRAPPED}\n```", "```\n\n```"),
        (f"> {WRAPPED.replace(chr(10), chr(10) + '> ')}\nend", "\nend"),
    ],
)
def test_bytes_written_as_text_are_left_out(text: str, rest: str) -> None:
    assert without_blobs(text) == rest


@pytest.mark.parametrize(
    "text",
    [
        "data:text/plain,hello and ![dot](data:image/gif;base64,R0lGODlhAQABAAAAACw=)",
        "0123456789abcdef" * 40,
        "a/path/to/some/place/" * 20,
        "x" * 100_000,
        "\n".join(["a" * 70] * 5),
        "Sentence of words, " * 20,
    ],
)
def test_short_ones_numbers_paths_and_words_stay(text: str) -> None:
    assert without_blobs(text) == text
