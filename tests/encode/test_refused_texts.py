"""Texts that a model cannot encode are named by the caller's index, and no other text fails with them."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Encoder, EncoderSettings, InvalidTextError, ModelFolderError, read_model_folder
from embed_plugin.model.folder import write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def with_tokenizer(tiny_model: Callable[..., Path], tmp_path: Path) -> Callable[..., Encoder]:
    """Load a model folder whose tokenizer was changed: ``with_tokenizer(change, settings)``."""

    def make(change: Callable[[dict[str, Any]], object], settings: EncoderSettings | None = None) -> Encoder:
        folder = shutil.copytree(tiny_model(), tmp_path / "model")
        content = json.loads((folder / "tokenizer.json").read_text())
        change(content)
        (folder / "tokenizer.json").write_text(json.dumps(content))
        write_manifest(folder, read_model_folder(tiny_model()))
        return Encoder.load(folder, settings)

    return make


def without_template(tokenizer: dict[str, Any]) -> None:
    tokenizer["post_processor"] = None


def beyond_the_table(tokenizer: dict[str, Any]) -> None:
    tokenizer["model"]["vocab"]["stranger"] = 1000


@pytest.mark.parametrize("texts", [[""], ["the cat", "", "a dog"], ["the cat"] * 7 + [" \n"]])
def test_a_text_without_tokens_is_named_and_later_calls_are_answered(
    with_tokenizer: Callable[..., Encoder], texts: list[str]
) -> None:
    encoder = with_tokenizer(without_template, EncoderSettings(window_texts=3))
    index = next(index for index, text in enumerate(texts) if not text.strip())
    for encode in (encoder.encode_documents, lambda texts: list(encoder.stream_documents(texts))):
        with pytest.raises(InvalidTextError, match=f"text {index}: has no tokens") as caught:
            encode(texts)
        assert caught.value.index == index
    assert encoder.encode_documents(["the cat", "a dog"]).shape == (2, 32)
    assert encoder.count_tokens(["", "cat"]).tolist() == [0, 1]


@pytest.mark.parametrize("bad", [0, 4])
@pytest.mark.parametrize("count", [1, 5])
def test_a_token_beyond_the_embedding_table_is_named_by_its_text(
    with_tokenizer: Callable[..., Encoder], bad: int, count: int
) -> None:
    texts = ["the cat"] * count
    texts[min(bad, count - 1)] = "the stranger"
    encoder = with_tokenizer(beyond_the_table, EncoderSettings(window_texts=2, on_other_cpu="ignore"))
    expected = rf"text {min(bad, count - 1)}: the model does not take its tokens, so its tokenizer is another model's"
    with pytest.raises(InvalidTextError, match=expected):
        encoder.encode_documents(texts)
    with pytest.raises(InvalidTextError, match=expected):
        asyncio.run(encoder.aencode_documents(texts))
    assert encoder.encode_documents(["the cat", "a dog"]).shape == (2, 32)


def test_of_two_calls_in_one_batch_only_the_one_with_the_strange_token_fails(
    with_tokenizer: Callable[..., Encoder],
) -> None:
    async def ask() -> list[Any]:
        calls = [encoder.aencode_documents([text] * 3) for text in ["the cat", "the stranger", "a dog"] * 5]
        return await asyncio.gather(*calls, return_exceptions=True)

    encoder = with_tokenizer(beyond_the_table, EncoderSettings(workers=1, token_budget=4096))
    found = asyncio.run(ask())
    assert [isinstance(each, InvalidTextError) for each in found] == [False, True, False] * 5
    np.testing.assert_array_equal(found[0], encoder.encode_documents(["the cat"] * 3))


def test_a_limit_that_leaves_no_token_for_a_text_is_refused(
    with_tokenizer: Callable[..., Encoder],
) -> None:
    def long_template(tokenizer: dict[str, Any]) -> None:
        tokenizer["post_processor"]["single"] = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * 512 + [
            {"Sequence": {"id": "A", "type_id": 0}}
        ]

    with pytest.raises(ModelFolderError, match="512 special tokens around a text, and the model takes 512"):
        with_tokenizer(long_template)
