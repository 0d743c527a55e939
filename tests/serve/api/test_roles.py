"""The role of texts that an OpenAI client sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import openai
import pytest

from embed_plugin.serve.api.roles import InputType, split_model_name

if TYPE_CHECKING:
    from serve.conftest import RunningServer

QUERY_WORDS = {"query", "search_query", "retrieval_query", "retrieval.query"}


def vectors(server: RunningServer, model: str = "", **fields: object) -> Any:  # noqa: ANN401 - an array
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        name = model or server.model.name
        answer = client.embeddings.create(model=name, input=["the cat"], extra_body=fields)
    return np.array([each.embedding for each in answer.data], np.float32)


@pytest.mark.parametrize("field", ["input_type", "task"])
@pytest.mark.parametrize("word", get_args(InputType))
def test_the_fields_of_other_services_decide_the_role(server: RunningServer, field: str, word: str) -> None:
    encoder = server.encoder
    expected = (encoder.encode_queries if word in QUERY_WORDS else encoder.encode_documents)(["the cat"])
    np.testing.assert_array_equal(vectors(server, **{field: word}), expected)


def test_the_models_name_decides_the_role(server: RunningServer) -> None:
    encoder, model = server.encoder, server.model
    for name in (model.name, model.fingerprint):
        np.testing.assert_array_equal(vectors(server, f"{name}:query"), encoder.encode_queries(["the cat"]))
        np.testing.assert_array_equal(vectors(server, f"{name}:document"), encoder.encode_documents(["the cat"]))
    for name in ("other:query", f"{model.name}:poem", f"{model.name}:query:query", ":query"):
        with pytest.raises(openai.NotFoundError):
            vectors(server, name)


def test_a_name_that_ends_like_a_role_is_that_name() -> None:
    assert split_model_name("ours:query", ("ours:query", "f")) == ("ours:query", None)
    assert split_model_name("ours:query:document", ("ours:query", "f")) == ("ours:query", "document")


def test_roles_that_agree_are_taken_and_others_refused_by_name(server: RunningServer) -> None:
    name = server.model.name
    expected = server.encoder.encode_queries(["the cat"])
    agreed = vectors(server, f"{name}:query", role="query", task="search_query", input_type=None)
    np.testing.assert_array_equal(agreed, expected)
    with pytest.raises(openai.BadRequestError, match="input_type says document and model says query: send one role"):
        vectors(server, f"{name}:query", input_type="passage")
    with pytest.raises(openai.BadRequestError, match="role says query and task says document"):
        vectors(server, role="query", task="document")
    with pytest.raises(openai.BadRequestError, match=r"body\.input_type: Input should be 'query', 'search_query'"):
        vectors(server, input_type="classification")


@pytest.mark.parametrize("field", ["role", "input_type", "task", "encoding_format", "dimensions", "user"])
def test_null_is_the_default(server: RunningServer, field: str) -> None:
    body = {"model": server.model.name, "input": "the cat"}
    answers = [server.client.post("/v1/embeddings", json=each).json() for each in (body, {**body, field: None})]
    assert answers[0]["data"] == answers[1]["data"]


def test_the_interface_says_so(server: RunningServer) -> None:
    page = server.client.get("/docs").text
    assert "<code>input_type</code> query | search_query" in page
    assert "<code>role</code> document | query " in page
    assert "NAME:query and NAME:document" in page
