"""Names of encodings, as browsers understand them: ISO-8859-1 is Windows-1252, GB2312 is GB18030, and so on."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import webencodings

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODECS: Mapping[str, str] = {
    "big5": "cp950",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-8859-8-i": "iso8859-8",
    "shift_jis": "cp932",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-user-defined": "cp1252",
}
"""Python's codec for an encoding of the WHATWG, where Python's of that name knows fewer characters, or is absent."""

_WIDER: Mapping[str, str] = {"cp950": "big5hkscs", "euc_jp": "euc_jis_2004"}
"""The codec for text in which the first one lacks a character: Hong Kong's characters, circled digits of Japan."""

_CONTROLS = range(0x80, 0xA0)


def codec_of(name: str) -> str | None:
    """Return Python's name of the codec for a label of the WHATWG's Encoding Standard, or for a name of Python's.

    None if it is neither, or no encoding of text.
    """
    encoding = _whatwg(name)
    try:
        own = codecs.lookup(name).name
        "".encode(own)
        encoding = encoding or _whatwg(own)
    except (LookupError, ValueError):
        own = None
    return codecs.lookup(_CODECS.get(encoding, encoding)).name if encoding else own


def decode_bytes(content: bytes, codec: str) -> str:
    """Decode as browsers do: a byte without a character in a Windows code page is a control character.

    Raises:
        UnicodeDecodeError: a character is not in this encoding.
    """
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        if codec in _WIDER:
            return content.decode(_WIDER[codec])
        if not codec.startswith("cp125") and codec != "cp874":
            raise
    return codecs.charmap_decode(content, "strict", _code_page(codec))[0]


def _whatwg(label: str) -> str | None:
    found = webencodings.lookup(label)
    # "replacement" names encodings that browsers refuse to read.
    return None if found is None or found.name == "replacement" else found.name


def _code_page(codec: str) -> str:
    """The characters of the bytes from 0 to 255; U+FFFE where there is none."""
    characters = [bytes([byte]).decode(codec, "replace") for byte in range(256)]
    controls = [chr(byte) if byte in _CONTROLS else "\ufffe" for byte in range(256)]
    return "".join(
        control if character == "\ufffd" else character for character, control in zip(characters, controls, strict=True)
    )
