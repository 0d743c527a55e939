from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest.read.cell_types import typed_cell, with_types

if TYPE_CHECKING:
    from embed_plugin.ingest import JSON

TEXTS = ["", " 1", "1 ", "007", "+1", "1,5", ".5", "5.", "0x1", "1_000", "NaN", "Infinity", "1e999", "-0", "--1", "٣"]
TEXTS += ["2024-05-31", "2024-05-31T10:00:00Z", "9223372036854775808", "-9223372036854775809", "yes", "tRue", "null"]


@pytest.mark.parametrize("cell", TEXTS)
def test_what_is_not_written_as_a_number_stays_text(cell: str) -> None:
    assert typed_cell(cell) == cell


@pytest.mark.parametrize(
    ("cell", "value"),
    [("0", 0), ("-7", -7), ("9223372036854775807", 2**63 - 1), ("1.50", 1.5), ("-1e3", -1000.0), ("True", True)],
)
def test_a_number_is_one(cell: str, value: JSON) -> None:
    assert (type(typed_cell(cell)), typed_cell(cell)) == (type(value), value)


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_what_json_writes_is_read_again(value: JSON) -> None:
    found = typed_cell(json.dumps(value))
    assert (type(found), found) == (type(value), value)


@given(st.text())
def test_any_cell_has_a_value_that_can_be_stored(cell: str) -> None:
    found = typed_cell(cell)
    assert found == cell or isinstance(found, bool | int) or (isinstance(found, float) and math.isfinite(found))


def test_columns_of_one_name_are_read_and_those_named_stay_texts() -> None:
    fields: dict[str, JSON] = {"id": "1", "n": ["1", "x", "false"], "m": "2"}
    assert with_types(fields, but={"id", None}) == {"id": "1", "n": [1, "x", False], "m": 2}
