from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import (
    Encoder,
    EncoderSettings,
    InvalidInputError,
    InvalidTextError,
    ModelFolderError,
    SparseEncoder,
    SparseVector,
    TextSparseEncoder,
)
from embed_plugin.model.folder import QUERY_WEIGHTS
from support.sparse_checkpoints import checkpoint_of, exported

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["The quick brown fox", "jumps over", "the lazy dog " * 20]


@pytest.fixture(scope="module", params=["splade-roberta", "splade-queries"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose queries the model encodes, and one with a table for them."""
    made = tmp_path_factory.mktemp("sparse")
    return exported(checkpoint_of(str(request.param), made / str(request.param)), made / "model")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> SparseEncoder:
    return SparseEncoder.load(folder)


def test_streams_and_asyncio_give_the_same_vectors(encoder: SparseEncoder) -> None:
    documents, queries = encoder.encode_documents(TEXTS), encoder.encode_queries(TEXTS)
    assert isinstance(encoder, TextSparseEncoder)
    assert documents != queries
    assert list(encoder.stream_documents(iter(TEXTS))) == documents
    assert list(encoder.stream_queries(iter(TEXTS))) == queries
    assert asyncio.run(encoder.aencode_documents(TEXTS)) == documents
    assert asyncio.run(encoder.aencode_queries(TEXTS)) == queries
    assert encoder.encode_documents([]) == []


def test_vectors_have_the_promised_types(encoder: SparseEncoder) -> None:
    for vector in (*encoder.encode_documents(TEXTS), *encoder.encode_queries(TEXTS)):
        assert vector.indices.dtype == np.int32
        assert vector.values.dtype == np.float32
        assert (np.diff(vector.indices) > 0).all()
        assert (vector.values > 0).all()
        assert len(vector) <= (encoder.max_active or encoder.dimension)


def test_decode_names_the_words_largest_first(encoder: SparseEncoder) -> None:
    vector = encoder.encode_documents(TEXTS)[0]
    words = encoder.decode(vector)
    assert [weight for _, weight in words] == sorted(vector.values.tolist(), reverse=True)
    assert encoder.decode(vector, 2) == words[:2]
    assert encoder.runtime.tokenizer.token(int(vector.indices[np.argmax(vector.values)])) == words[0][0]


@pytest.mark.parametrize("top_k", [0, -1, True, "3"])
def test_decode_refuses_what_is_no_number_of_words(encoder: SparseEncoder, top_k: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidInputError, match=r"top_k is .*expected a whole number"):
        encoder.decode(encoder.encode_documents(["a"])[0], top_k)


@pytest.mark.parametrize("index", [-1, 384])
def test_decode_refuses_a_vector_of_another_vocabulary(encoder: SparseEncoder, index: int) -> None:
    with pytest.raises(InvalidInputError, match="this model has 384 words"):
        encoder.decode(SparseVector(np.array([index], np.int32), np.ones(1, np.float32)))


def test_it_pickles_as_its_folder(encoder: SparseEncoder) -> None:
    assert pickle.loads(pickle.dumps(encoder)).encode_queries(TEXTS) == encoder.encode_queries(TEXTS)  # noqa: S301


@pytest.mark.parametrize("role", ["documents", "queries"])
def test_bad_texts_are_refused_by_their_index(encoder: SparseEncoder, role: str) -> None:
    encode, stream = getattr(encoder, f"encode_{role}"), getattr(encoder, f"stream_{role}")
    with pytest.raises(InvalidInputError, match="str"):
        encode("a text")
    for bad in (3, "\ud800"):
        with pytest.raises(InvalidTextError, match="text 1: "):
            encode(["good", bad])
        with pytest.raises(InvalidTextError, match="text 1: "):
            list(stream(["good", bad]))


@pytest.mark.parametrize("role", ["documents", "queries"])
def test_long_texts_are_refused_where_the_settings_say_so(folder: Path, role: str) -> None:
    strict = SparseEncoder.load(folder, EncoderSettings(on_long="error"))
    with pytest.raises(InvalidTextError, match="text 1: has more than the"):
        getattr(strict, f"encode_{role}")(["good", "word " * 2000])


def test_another_class_names_this_one(folder: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"load it with embed_plugin\.SparseEncoder"):
        Encoder.load(folder)


def test_a_changed_table_of_queries_is_another_model(folder: Path) -> None:
    spec = SparseEncoder.load(folder).spec
    assert (QUERY_WEIGHTS in spec.files) == spec.facts["query_table"]


def test_queries_without_tokens_are_refused_where_a_table_has_no_special_ones(encoder: SparseEncoder) -> None:
    if not encoder.spec.facts["query_table"]:
        assert len(encoder.encode_queries([""])) == 1
        return
    with pytest.raises(InvalidTextError, match="text 1: has no tokens"):
        encoder.encode_queries(["a", ""])
    assert encoder.count_tokens(["a"], role="query").tolist() == [1]
    assert encoder.count_tokens(["a"]).tolist() == [3]
