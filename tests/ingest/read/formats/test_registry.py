from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import PACKAGES_OF_EXTRA
from embed_plugin.ingest import Format, ReaderSettings
from embed_plugin.ingest.read.file import module_of
from embed_plugin.ingest.read.formats.registry import FORMATS, format_of, is_gzipped


@pytest.mark.parametrize("name", FORMATS)
def test_the_module_of_a_format_has_the_functions_that_its_line_promises(name: str) -> None:
    module = module_of(name)
    assert callable(module.read_records)
    assert not FORMATS[name].rejected_keys or callable(module.record_of_rejected)


def test_a_suffix_is_of_one_format() -> None:
    suffixes = [suffix for found in FORMATS.values() for suffix in found.suffixes]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.parametrize(
    ("name", "expected", "gzipped"),
    [
        ("a.MD", "text", False),
        ("a.jsonl.gz", "jsonl", True),
        ("a.parquet.gz", None, False),
        ("a.txt.gz", None, False),
        ("a", None, False),
    ],
)
def test_the_suffix_says_the_format(name: str, expected: str | None, *, gzipped: bool) -> None:
    assert (format_of(Path(name)), is_gzipped(Path(name))) == (expected, gzipped)


def test_settings_refuse_another_format() -> None:
    assert get_args(Format) == ("auto", *FORMATS)
    with pytest.raises(InvalidInputError, match="the format is 'xml': expected auto, text, html"):
        ReaderSettings(format="xml")


def test_the_formats_can_be_listed_without_the_extra() -> None:
    packages = PACKAGES_OF_EXTRA["ingest"]
    code = (
        "import sys, embed_plugin.ingest.read.formats.registry\n"
        f"print([name for name in {packages} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
