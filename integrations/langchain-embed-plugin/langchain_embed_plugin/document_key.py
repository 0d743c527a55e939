"""A key for LangChain's indexing API that every vector store takes."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING

from embed_plugin import InvalidInputError

if TYPE_CHECKING:
    from langchain_core.documents import Document

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "langchain-embed-plugin")


def document_key(document: Document) -> str:
    """A document's key for `index()` and `aindex()`: a UUID made from the SHA-256 of its text and metadata.

    Of LangChain's own encoders only `sha1` gives keys that Qdrant takes as point ids, and it warns that SHA-1 is not
    safe; the keys of `sha256`, `sha512` and `blake2b` are refused by Qdrant.

    Example:
        ```python
        index(documents, record_manager, store, key_encoder=document_key)
        ```

    Raises:
        InvalidInputError: the metadata is not JSON.
    """
    try:
        content = json.dumps([document.page_content, document.metadata], sort_keys=True)
    except (TypeError, ValueError) as error:
        start = document.page_content[:40]
        message = f"document {start!r}...: its metadata is not JSON ({error}). Use strings, numbers, lists and objects"
        raise InvalidInputError(message) from error
    return str(uuid.uuid5(_NAMESPACE, hashlib.sha256(content.encode()).hexdigest()))
