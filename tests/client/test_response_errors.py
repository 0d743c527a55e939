from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import httpx
import pytest

from embed_plugin import EndpointError, EndpointUnavailableError, InvalidInputError, InvalidTextError, OtherSpaceError
from embed_plugin.client import OpenAIEndpoint, ServiceEndpoint

if TYPE_CHECKING:
    from embed_plugin import EmbedPluginError

REQUEST = httpx.Request("POST", "http://there/embed")


def response(status: int, content: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        json=content,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        request=REQUEST,
    )


def refused(status: int, code: str = "some_code", index: int | None = None) -> EmbedPluginError:
    error = {"code": code, "message": "the message.", "index": index}
    return ServiceEndpoint("http://there").error_of(response(status, {"error": error}))


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_may_be_asked_again_is_unavailable(status: int) -> None:
    error = refused(status)
    assert type(error) is EndpointUnavailableError
    assert str(error) == f"http://there: {status} the message."


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (401, "unauthorized", EndpointError, "set EMBED_PLUGIN_KEY to one that it takes"),
        (404, "", EndpointError, "to POST /embed. Check its URL"),
        (404, "model_not_found", OtherSpaceError, "serves another model"),
        (413, "too_many_texts", EndpointError, "Lower request_texts"),
        (422, "invalid_request", InvalidInputError, "http://there refuses the texts: 422 the message"),
        (500, "internal", EndpointError, "500 the message"),
    ],
)
def test_what_may_not_is_told_with_its_remedy(status: int, code: str, kind: type[Exception], says: str) -> None:
    error = refused(status, code)
    assert type(error) is kind
    assert says in str(error)


@pytest.mark.parametrize(("status", "code"), [(413, "text_too_long"), (422, "invalid_text")])
def test_a_bad_text_keeps_its_index(status: int, code: str) -> None:
    error = refused(status, code, index=7)
    assert isinstance(error, InvalidTextError)
    assert (error.index, error.problem) == (7, "the message. (http://there)")


def test_a_quota_that_is_used_up_is_not_waited_for() -> None:
    content = {
        "error": {"message": "You exceeded your quota.", "type": "t", "param": None, "code": "insufficient_quota"}
    }
    error = OpenAIEndpoint("m", dimension=3).error_of(response(429, content))
    assert type(error) is EndpointError
    assert "OPENAI_API_KEY" in str(error)


@pytest.mark.parametrize("content", [{"error": "too long", "error_type": "Validation"}, {"detail": "too long"}])
def test_an_error_of_a_compatible_server_is_of_the_texts(content: object) -> None:
    error = OpenAIEndpoint("m", dimension=3, url="http://there").error_of(response(422, content))
    assert type(error) is InvalidInputError
    assert "refuses the texts: 422 too long" in str(error)
    assert type(ServiceEndpoint("http://there").error_of(response(422, content))) is EndpointError


def test_what_is_no_json_and_a_redirect_are_told_as_they_are() -> None:
    error = ServiceEndpoint("http://there").error_of(httpx.Response(502, text="<h1>Bad gateway</h1>", request=REQUEST))
    assert str(error) == "http://there: 502 <h1>Bad gateway</h1>"
    moved = ServiceEndpoint("http://there").error_of(response(301, "", Location="https://elsewhere/"))
    assert "points to https://elsewhere/" in str(moved)


def test_a_date_in_retry_after_goes_by_the_clock_that_wrote_it() -> None:
    wrong_clock = time.time() - 86_400
    there = {"Retry_After": formatdate(wrong_clock + 30, usegmt=True), "Date": formatdate(wrong_clock, usegmt=True)}
    error = ServiceEndpoint("http://there").error_of(response(503, **there))
    assert isinstance(error, EndpointUnavailableError)
    assert error.retry_after == 30
