from __future__ import annotations

import codecs

import pytest

from embed_plugin.ingest.read.charsets import codec_of, decode_bytes


@pytest.mark.parametrize(
    ("label", "content", "text"),
    [
        ("iso-8859-1", b"\x93smart\x94 \x80", "“smart” €"),
        ("ISO8859-1 ", b"\x92", "’"),
        ("latin-1", b"\x85", "…"),
        ("ascii", b"\x96", "–"),
        ("gb2312", b"\xe9\x46", "镕"),
        ("gbk", b"\x81\x39\xee\x39", "㐀"),
        ("shift_jis", b"\x87\x40\xfb\xfc", "①髙"),
        ("x-sjis", b"\x87\x8a", "㈱"),
        ("sjis", b"\x87\x8a", "㈱"),
        ("euc-kr", b"\x8c\x63\xb0\xa1", "똠가"),
        ("ks_c_5601-1987", b"\x8c\x63", "똠"),
        ("big5", b"\xf9\xd6\xa1\xe3", "碁～"),
        ("big5", b"\x87\x40", "䏰"),
        ("euc-jp", b"\xad\xa1", "①"),
        ("iso-8859-9", b"\x80", "€"),
        ("tis-620", b"\x80", "€"),
        ("windows-1252", b"\x81\x8d", "\x81\x8d"),
        ("windows-874", b"\xa1\x81", "ก\x81"),
        ("x-user-defined", b"\x93", "“"),
        ("utf-16", "é".encode("utf-16-le"), "é"),
        ("utf-16-be", "é".encode("utf-16-be"), "é"),
        ("cp037", "é".encode("cp037"), "é"),
        ("iso-2022-kr", "가".encode("iso2022_kr"), "가"),
    ],
)
def test_names_mean_what_browsers_take_them_for_and_then_what_python_does(
    label: str, content: bytes, text: str
) -> None:
    codec = codec_of(label)
    assert codec is not None
    assert codecs.lookup(codec).name == codec
    assert decode_bytes(content, codec) == text


@pytest.mark.parametrize("label", ["klingon", "hex", "rot13", "", "utf-8\0", "replacement"])
def test_other_names_are_none(label: str) -> None:
    assert codec_of(label) is None


def test_a_byte_without_a_character_beyond_the_controls_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_bytes(b"\xaa", "cp1253")
