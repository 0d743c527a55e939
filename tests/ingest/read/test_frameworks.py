"""Stand-ins for the frameworks' classes; the integrations' own tests use the real ones."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embed_plugin.ingest import Record, Rejected, records_of_documents, records_of_nodes
from embed_plugin.ingest.read.json_values import as_json


@dataclass
class Document:
    page_content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass
class Node:
    text: str
    node_id: str
    ref_doc_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def get_content(self) -> str:
        return self.text


def test_documents_are_named_by_their_id_or_their_place_in_their_source() -> None:
    documents = [
        Document("one", {"source": "a.pdf", "page": 1}),
        Document("two", {"source": "a.pdf", "page": 2}),
        Document("three", {"source": "b.pdf"}, id="own"),
    ]
    assert list(records_of_documents(documents)) == [
        Record("a.pdf#1", "one", {"source": "a.pdf", "page": 1}),
        Record("a.pdf#2", "two", {"source": "a.pdf", "page": 2}),
        Record("own", "three", {"source": "b.pdf"}),
    ]


def test_a_document_that_cannot_be_known_again_is_rejected() -> None:
    rejected, record = records_of_documents([Document("one"), Document("two", id="b")])
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "document 1: it has neither an id nor a source in its metadata. Give it an id"
    assert record == Record("b", "two")


def test_nodes_are_named_by_their_document_and_their_place_in_it() -> None:
    nodes = [Node("one", "random", "doc"), Node("two", "other", "doc"), Node("three", "own", metadata={"k": 1})]
    assert list(records_of_nodes(nodes)) == [
        Record("doc#1", "one"),
        Record("doc#2", "two"),
        Record("own", "three", {"k": 1}),
    ]


def test_metadata_that_is_no_json_is_rejected_with_what_is_known() -> None:
    (rejected,) = records_of_documents([Document("one", {"raw": b"x"}, id="a")])
    assert isinstance(rejected, Rejected)
    assert "document 1: the metadata is not JSON (bytes is no JSON)" in rejected.reason
    assert (rejected.source_id, rejected.record) == ("a", {"id": "a", "text": "one"})


def test_metadata_nested_too_deeply_is_rejected_with_the_reason() -> None:
    for levels in (64, 5000):
        value: object = 1
        for _ in range(levels):
            value = [value]
        (rejected,) = records_of_documents([Document("one", {"deep": value}, id="a")])
        assert isinstance(rejected, Rejected)
        assert "nested in more than 64 levels" in rejected.reason


def test_a_large_integer_becomes_its_text_and_a_lone_surrogate_is_escaped() -> None:
    record, rejected = records_of_nodes([Node("one", "a", metadata={"n": np.uint64(2**63)}), Node("two", "\udce9")])
    assert record == Record("a", "one", {"n": "9223372036854775808"})
    assert rejected.source_id == r"\udce9"


def test_values_that_loaders_leave_in_metadata_become_json() -> None:
    values = {"when": dt.date(2026, 1, 2), "path": Path("a/b"), "score": np.float32(0.5), "nan": np.nan, "t": (1, "x")}
    values["long"] = dt.timedelta(hours=-25, microseconds=-1)
    assert as_json(values) == {
        "when": "2026-01-02",
        "path": "a/b",
        "score": 0.5,
        "nan": None,
        "t": [1, "x"],
        "long": "-P1DT1H0.000001S",
    }
