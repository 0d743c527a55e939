from __future__ import annotations

import pytest

from embed_plugin.serve.connections.connection import network_of, plain_address


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
        ("/a/socket", "/a/socket"),
    ],
)
def test_an_ipv4_client_of_an_ipv6_socket_has_its_own_address(host: str, plain: str) -> None:
    assert plain_address(host) == plain


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("/a/socket", "/b/socket", False),
    ],
)
def test_the_addresses_that_count_as_one(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a parameter
    assert (network_of(one) == network_of(other)) == same
