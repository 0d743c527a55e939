from __future__ import annotations

import pytest

from embed_plugin import InvalidInputError
from embed_plugin.serve import ServeSettings


@pytest.mark.parametrize(
    "bad",
    [
        {"texts": 0},
        {"text_characters": 0},
        {"body_bytes": -1},
        {"connections": 0},
        {"queue_tokens": 0},
        {"deadline_seconds": 0},
        {"drain_seconds": -1.0},
        {"receive_seconds": float("nan")},
        {"deadline_seconds": float("inf")},
        {"drain_delay_seconds": -1.0},
        {"drain_delay_seconds": float("nan")},
        {"drain_delay_seconds": float("inf")},
        {"root_path": "no-slash"},
        {"root_path": "/slash-at-the-end/"},
        {"root_path": "/a?b"},
        {"root_path": "https://embed.example/a"},
        {"trusted_proxies": ("proxy.example",)},
        {"trusted_proxies": ("10.0.0.1/8",)},
        {"trusted_proxies": ("*",)},
        {"on_long": "cut"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_by_name(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        ServeSettings(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("127.0.0.1", False),
        ("127.8.0.1", False),
        ("::1", False),
        ("[::1]", False),
        ("[::]", True),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104 - the subject
        ("::", True),
        ("10.0.0.7", True),
        ("embed.example", True),
    ],
)
def test_loopback_is_told_from_what_others_reach(host: str, is_public: bool) -> None:  # noqa: FBT001 - a parameter
    assert ServeSettings(host=host).is_public == is_public


@pytest.mark.parametrize(
    ("settings", "trusted"),
    [
        ({}, set()),
        ({"proxy_headers": True}, {"127.0.0.1", "127.9.9.9", "::1"}),
        ({"trusted_proxies": ("10.0.0.0/8", "2001:db8::1")}, {"10.1.2.3", "2001:db8::1"}),
        ({"trusted_proxies": ("10.1.2.3",), "proxy_headers": True}, {"10.1.2.3"}),
    ],
    ids=["none", "loopback", "networks", "one"],
)
def test_the_proxies_that_are_trusted(settings: dict[str, object], trusted: set[str]) -> None:
    hosts = {"127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "11.0.0.1", "2001:db8::1", "2001:db8::2", "", "a text"}
    made = ServeSettings(**settings)  # type: ignore[arg-type]
    assert {host for host in hosts if made.trusts(host)} == trusted
