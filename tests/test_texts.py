from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from embed_plugin import Encoder, InvalidInputError, InvalidTextError
from embed_plugin.client import EmbeddingClient
from embed_plugin.testing import FakeEncoder
from embed_plugin.texts import list_of_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REFUSED = [
    (None, "found None: pass a list"),
    ("the cat", r"found one str: pass \[text\]"),
    (b"the cat", "found one bytes: decode it"),
    (bytearray(b"the cat"), "found one bytearray: decode it"),
    (memoryview(b"the cat"), "found one memoryview"),
    ({"a": "the cat"}, r"found one dict: pass its texts, as in list\(texts.values\(\)\)"),
    ({"a": "the cat"}.items(), "found one dict_items"),
    ({"the cat", "a dog"}, "found one set: a set has no order"),
    (frozenset({"the cat"}), "found one frozenset"),
    (7, "found one int: pass a list"),
    (np.array("the cat"), r"found one ndarray of the shape \(\)"),
    (np.array([["title", "body"]]), r"found one ndarray of the shape \(1, 2\): pass one row or column"),
    (pa.table({"text": ["the cat"], "id": ["1"]}), r"found one Table of the shape \(1, 2\): pass one column"),
]


@pytest.fixture(scope="module", params=["encoder", "fake", "client"])
def any_encoder(request: pytest.FixtureRequest, tiny_encoder: Encoder) -> Iterator[Any]:
    if request.param == "client":
        with EmbeddingClient("http://127.0.0.1:9") as client:
            yield client
    else:
        yield tiny_encoder if request.param == "encoder" else FakeEncoder()


@pytest.mark.parametrize(("texts", "message"), REFUSED, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("method", ["encode_documents", "encode_queries", "count_tokens"])
def test_what_is_no_list_of_texts_is_refused_by_name(
    any_encoder: Any,  # noqa: ANN401
    method: str,
    texts: object,
    message: str,
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        getattr(any_encoder, method)(texts)


@pytest.mark.parametrize(("texts", "message"), REFUSED, ids=lambda each: type(each).__name__)
def test_a_stream_refuses_it_too(tiny_encoder: Encoder, texts: Any, message: str) -> None:  # noqa: ANN401
    for encoder in (tiny_encoder, FakeEncoder()):
        with pytest.raises(InvalidInputError, match=message):
            list(encoder.stream_documents(texts))


@pytest.mark.parametrize("texts", [["a", ("title", "body")], ["a", ["title", "body"]], ["a", [["title"]]]])
def test_a_pair_is_no_text(any_encoder: Any, texts: list[Any]) -> None:  # noqa: ANN401
    with pytest.raises(InvalidTextError, match=r"text 1: is a (list|tuple); expected a str"):
        any_encoder.encode_documents(texts)
    if not isinstance(any_encoder, EmbeddingClient):  # which asks the service for its space before it reads
        with pytest.raises(InvalidTextError, match=r"text 1: is a (list|tuple); expected a str"):
            list(any_encoder.stream_documents(iter(texts)))


@pytest.mark.parametrize(
    "texts",
    [
        ("the cat", "a dog"),
        np.array(["the cat", "a dog"]),
        np.array(["the cat", "a dog"], object),
        {1: "the cat"}.values(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_tuples_arrays_and_views_are_lists_of_texts(tiny_encoder: Encoder, texts: Any) -> None:  # noqa: ANN401
    np.testing.assert_array_equal(tiny_encoder.encode_documents(texts), tiny_encoder.encode_documents([*texts]))


def test_a_column_of_pandas_is_a_list_of_texts_and_its_table_is_none() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not a dependency")
    table = pandas.DataFrame({"text": ["the cat", "a dog"], "id": [1, 2]})
    assert list_of_texts(table["text"]) == ["the cat", "a dog"]
    with pytest.raises(InvalidInputError, match=r"one DataFrame of the shape \(2, 2\): pass one column"):
        list_of_texts(table)


class Lying(list[str]):
    """A collection whose length is not what iteration gives."""

    def __len__(self) -> int:
        return 7


def test_the_texts_are_counted_that_were_taken(any_encoder: Any) -> None:  # noqa: ANN401
    if not isinstance(any_encoder, EmbeddingClient):
        assert len(any_encoder.encode_documents(Lying(["the cat", "a dog"]))) == 2
    assert list_of_texts(Lying(["the cat", "a dog"])) == ["the cat", "a dog"]


def test_a_list_that_another_thread_changes_during_the_call(
    tiny_encoder: Encoder, tiny_model: Callable[..., Any]
) -> None:
    texts = [f"cat {n}" for n in range(3000)]
    expected = tiny_encoder.encode_documents([*texts])
    encoder = Encoder.load(tiny_model())
    encoder.runtime.observe(lambda _: texts.clear())  # by a worker's thread, after the first batch
    np.testing.assert_array_equal(encoder.encode_documents(texts), expected)
