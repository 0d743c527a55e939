from __future__ import annotations

import uuid

import pytest
from langchain_core.documents import Document

from embed_plugin import InvalidInputError
from langchain_embed_plugin import document_key


def test_it_is_a_uuid_of_text_and_metadata() -> None:
    key = document_key(Document("the cat", metadata={"a": 1, "b": 2}))
    assert str(uuid.UUID(key)) == key
    assert key == document_key(Document("the cat", metadata={"b": 2, "a": 1}))
    assert key != document_key(Document("the cat", metadata={"a": 1, "b": 3}))
    assert key != document_key(Document("the dog", metadata={"a": 1, "b": 2}))


def test_metadata_that_is_not_json_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"document 'the cat'.*its metadata is not JSON"):
        document_key(Document("the cat", metadata={"a": object()}))
