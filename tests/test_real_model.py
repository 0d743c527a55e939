"""The real all-MiniLM-L6-v2, exported by this project, against its published figures."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import MINILM
from embed_plugin import Encoder, read_model_folder
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.evaluate import evaluate_retrieval, evaluate_similarity, read_retrieval_dataset, read_sentence_pairs
from embed_plugin.export.int8.texts import CALIBRATED
from embed_plugin.types import Precision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.real_model, pytest.mark.xdist_group("real_model")]


def test_meaning_decides_not_words(minilm: Callable[[Any], Path]) -> None:
    encoder = Encoder.load(minilm("int8"))
    documents = encoder.encode_documents(
        ["The physician examined the child.", "The bank raised its rates.", "Rain fell."]
    )
    assert int(np.argmax(documents @ encoder.encode_queries(["a doctor saw a young patient"])[0])) == 0


def test_limit_and_prefixes_are_the_models_own(minilm: Callable[[Any], Path]) -> None:
    spec = Encoder.load(minilm("int8")).spec
    assert (spec.max_tokens, spec.dimension, spec.pooling) == (256, 384, "mean")
    assert (spec.query_prefix, spec.document_prefix) == ("", "")
    comparison = spec.provenance["comparison"]
    assert isinstance(comparison, dict)
    assert {each["kind"] for each in comparison["kinds"]} == set(CALIBRATED)
    assert min(each["mean_cosine"] for each in comparison["kinds"]) > 0.9995
    assert min(each["least_cosine"] for each in comparison["kinds"]) > 0.998


@given(
    words=st.lists(
        st.sampled_from(["cat", "图", "，", '{"a":1}', "[SEP]", "e\u0301", "ab" * 99, " ", "한국어"]), min_size=1
    ),
    times=st.integers(1, 3000),
)
@settings(max_examples=40)
def test_a_long_text_is_cut_where_the_whole_text_would_be(
    minilm: Callable[[Any], Path], words: list[str], times: int
) -> None:
    tokenizer = TextTokenizer(minilm("int8") / "tokenizer.json", max_tokens=64)
    text = "".join(words) * times
    whole = tokenizer._encode([text], "")[0]
    expected = whole if len(whole) <= 64 else whole[:63] + whole[-1:]
    assert tokenizer.tokenise([text], prefix="", first_index=0).ids[0] == expected


def test_an_export_is_the_same_where_numpy_and_its_products_take_another_way(
    minilm: Callable[[Any], Path], tmp_path: Path
) -> None:
    """On a CPU without AVX-512, say: OpenBLAS and numpy choose their loops by these variables."""
    other = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX"}
    command = [sys.executable, "-W", "ignore", "-m", "embed_plugin.cli", "export", MINILM, "--quiet", "--out"]
    subprocess.run([*command, tmp_path / "model"], env={**os.environ, **other}, check=True, capture_output=True)
    assert read_model_folder(tmp_path / "model").fingerprint == read_model_folder(minilm("int8")).fingerprint


def test_texts_of_another_script_are_unknown(minilm: Callable[[Any], Path]) -> None:
    encoder = Encoder.load(minilm("int8"))
    texts = ["สวัสดีครับ", "ขอบคุณมาก", "The cat sat on the mat."]
    np.testing.assert_array_equal(encoder.count_unknown(texts), [1, 1, 0])


@pytest.mark.parametrize("precision", get_args(Precision))
def test_the_same_vector_alone_and_in_company(minilm: Callable[[Any], Path], precision: str) -> None:
    encoder = Encoder.load(minilm(precision))
    texts = ["word " * n for n in (0, 1, 2, 5, 5, 17, 40, 40, 120, 254, 300)]
    together = encoder.encode_documents([*texts, *texts])
    for index, text in enumerate(texts):
        alone = encoder.encode_documents([text])[0]
        np.testing.assert_array_equal(together[index], alone)
        np.testing.assert_array_equal(together[index + len(texts)], alone)


def test_int8_loses_nothing_on_text_of_another_domain(minilm: Callable[[Any], Path], shared_data: Path) -> None:
    corpus = list(read_retrieval_dataset(shared_data / "scifact").documents())[::50]
    exact, quantised = (
        Encoder.load(minilm(precision)).encode_documents([document.text for document in corpus])
        for precision in ("fp32", "int8")
    )
    cosines = np.sum(exact * quantised, axis=1, dtype=np.float64)
    assert (cosines.mean() > 0.9995, cosines.min() > 0.998) == (True, True)


def test_int8_finds_what_fp32_finds(minilm: Callable[[Any], Path], shared_data: Path) -> None:
    result = evaluate_retrieval(Encoder.load(minilm("int8")), read_retrieval_dataset(shared_data / "scifact"))
    assert 100 * result.means["ndcg@10"] >= 64.51 * 0.995


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.01), ("int8", 0.1)])
def test_stsb_spearman(minilm: Callable[[Any], Path], shared_data: Path, precision: str, tolerance: float) -> None:
    pairs = read_sentence_pairs(shared_data / "stsb" / "sts-test.csv")
    result = evaluate_similarity(Encoder.load(minilm(precision)), pairs)
    assert 100 * result.spearman == pytest.approx(82.03, abs=tolerance)
