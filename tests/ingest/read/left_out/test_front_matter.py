from __future__ import annotations

import pytest

from embed_plugin.ingest.read.left_out.front_matter import LONGEST, read_front_matter


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: The cat\ndate: 2026-11-28\ntags: [a, b]\n---\nText",
        "+++\ntitle = 'The cat'\ndate = 2026-11-28\ntags = ['a', 'b']\n+++\nText",
        "\ufeff---\ntitle: The cat\ndate: 2026-11-28\ntags:\n- a\n- b\n...\nText",
    ],
)
def test_yaml_and_toml_are_fields_and_the_text_begins_behind_them(text: str) -> None:
    found = read_front_matter(text)
    assert found is not None
    assert text[found.end :] == "Text"
    assert found.metadata == {"title": "The cat", "date": "2026-11-28", "tags": ["a", "b"]}


def test_empty_front_matter_has_no_fields() -> None:
    assert read_front_matter("---\n---\nText") == (8, {})


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nA rule.\n\n---\n",
        "---\ntitle: [\n---\n",
        "---\ntitle: a\n",
        "# A\n---\ntitle: a\n---\n",
        "---\na: &x [1, 2]\nb: *x\n---\n",
        "---\na: .nan\n---\n",
        "---\na: 2026-02-30\n---\n",
        "---\na: !!binary aGVsbG8=\n---\n",
        "---\na: !!python/object/apply:os.system [ls]\n---\n",
        "---\na: " + "[" * 3_000 + "\n---\n",
        "---\na: " + "[" * 70 + "]" * 70 + "\n---\n",
        "---\na: " + "x" * LONGEST + "\n---\n",
        "+++\na = \n+++\n",
    ],
)
def test_what_only_looks_like_front_matter_is_text(text: str) -> None:
    assert read_front_matter(text) is None
