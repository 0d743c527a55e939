"""The official client of OpenAI against a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openai
import pytest

from serve.conftest import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serve.conftest import RunningServer

TEXTS = ["the cat sat", "a dog ran fast"]


@pytest.fixture
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none-is-asked-for", max_retries=0) as client:
        yield client


def test_its_vectors_are_the_encoders(client: openai.OpenAI, server: RunningServer) -> None:
    name = server.model.name
    answer = client.embeddings.create(model=name, input=TEXTS)  # asks for base64, and decodes it
    expected = server.encoder.encode_documents(TEXTS)
    np.testing.assert_array_equal(np.array([each.embedding for each in answer.data], np.float32), expected)
    assert [each.index for each in answer.data] == [0, 1]
    assert answer.model == name
    tokens = int(server.encoder.count_tokens(TEXTS).sum())
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)


def test_floats_a_single_text_dimensions_and_the_role(client: openai.OpenAI, server: RunningServer) -> None:
    answer = client.embeddings.create(
        model=server.model.fingerprint,
        input="the cat",
        encoding_format="float",
        dimensions=32,
        user="somebody",
        extra_body={"role": "query"},
    )
    expected = server.encoder.encode_queries(["the cat"])
    np.testing.assert_array_equal(np.array([answer.data[0].embedding], np.float32), expected)


def test_the_one_model_is_listed(client: openai.OpenAI, server: RunningServer) -> None:
    assert [model.id for model in client.models.list()] == [server.model.name]


@pytest.mark.parametrize("ids", [[1, 2, 3], [[1, 2], [3]]], ids=["one text", "two texts"])
def test_token_ids_are_refused_clearly(client: openai.OpenAI, server: RunningServer, ids: list[int]) -> None:
    with pytest.raises(openai.BadRequestError, match="belong to another model's tokenizer: send text"):
        client.embeddings.create(model=server.model.name, input=ids)


def test_what_openai_would_refuse_is_refused_in_its_shape(client: openai.OpenAI, server: RunningServer) -> None:
    name = server.model.name
    with pytest.raises(openai.BadRequestError, match="has vectors of 32 numbers"):
        client.embeddings.create(model=name, input=TEXTS, dimensions=256)
    with pytest.raises(openai.BadRequestError, match="empty list"):
        client.embeddings.create(model=name, input=[])
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="text-embedding-3-small", input=TEXTS)
    assert (caught.value.code, caught.value.type) == ("model_not_found", "not_found_error")
    with pytest.raises(openai.UnprocessableEntityError) as odd:
        client.embeddings.create(model=name, input=["a", 3])  # type: ignore[arg-type]
    assert odd.value.param == "input[1]"


def test_a_wrong_key_is_an_authentication_error(locked_server: RunningServer) -> None:
    with (
        openai.OpenAI(base_url=f"{locked_server.url}/v1", api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()
    with openai.OpenAI(base_url=f"{locked_server.url}/v1", api_key=KEY) as client:
        assert len(client.embeddings.create(model=locked_server.model.name, input="the cat").data) == 1
