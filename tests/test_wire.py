"""Names shared by the service and its client, and the Retry-After header."""

from __future__ import annotations

import ast
import time
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import wire
from embed_plugin.serve.api import schemas
from embed_plugin.wire import retry_after_seconds

if TYPE_CHECKING:
    from pydantic import BaseModel

PACKAGE = Path(wire.__file__).parent


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("1_0", None),
        ("\N{ARABIC-INDIC DIGIT THREE}", None),
        ("inf", None),
        ("nan", None),
        ("9" * 400, None),
        ("soon", None),
        ("Fri, 99 Nov 2026 25:61:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 30.0),
        ("Sun Nov  6 08:49:37 1994", 30.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 30.0),
        ("Sun, 06 Nov 1994 08:48:37 GMT", 0.0),
    ],
    ids=["RFC 9110", "RFC 850", "asctime", "no time zone", "past"],
)
def test_retry_after_as_a_date_goes_by_the_clock_that_wrote_it(value: str, seconds: float) -> None:
    assert retry_after_seconds(value, date="Sun, 06 Nov 1994 08:49:07 GMT") == seconds


def test_retry_after_as_a_date_goes_by_the_local_clock_without_another() -> None:
    assert 3500 < (retry_after_seconds(formatdate(time.time() + 3600, usegmt=True)) or 0) <= 3600
    assert retry_after_seconds(formatdate(time.time() - 3600, usegmt=True), date="soon") == 0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} Nov \d{1,9} \d\d:\d\d:\d\d [+-]?\d{0,9}", fullmatch=True))
def test_retry_after_is_finite_whatever_a_server_sends(value: str) -> None:
    seconds = retry_after_seconds(value)
    assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("fields", "schema"),
    [
        (wire.EmbedBody, schemas.EmbedRequest),
        (wire.CountBody, schemas.CountRequest),
        (wire.CountContent, schemas.CountAnswer),
        (wire.InfoContent, schemas.InfoAnswer),
        (wire.LimitsContent, schemas.Limits),
        (wire.MatryoshkaContent, schemas.MatryoshkaAnswer),
        (wire.ErrorContent, schemas.ErrorAnswer),
        (wire.ErrorFields, schemas.ErrorDetail),
    ],
)
def test_the_service_describes_the_fields_that_its_client_uses(fields: type, schema: type[BaseModel]) -> None:
    assert set(get_type_hints(fields)) == set(schema.model_fields)


def test_headers_are_named_in_one_file() -> None:
    names = {wire.DEADLINE_HEADER, wire.MODEL_HEADER, wire.FINGERPRINT_HEADER, wire.TRUNCATED_HEADER, wire.FLOATS}
    found = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and str(node.value).lower() in {name.lower() for name in names}
    }
    assert found == {"wire.py"}
