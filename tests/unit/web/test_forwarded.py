"""Forwarded addresses: the right-most hop that is no proxy of ours, and nobody's word but a configured proxy's."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from app.web.forwarded import TrustedProxies, bucket

OURS = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def origin(peer: str, *headers: tuple[str, str], proxies: TrustedProxies = OURS) -> tuple[str, str | None]:
    found = proxies.origin(peer, [(name.encode(), value.encode()) for name, value in headers])
    return found.address, found.scheme


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", "2001:db8::1", ""])
@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
def test_what_no_configured_proxy_says_is_not_believed(peer: str, name: str) -> None:
    assert origin(peer, (name, "for=198.51.100.1"), ("x-forwarded-proto", "https")) == (peer, None)


def test_without_configured_proxies_nobody_is_believed() -> None:
    assert origin("10.1.1.1", ("x-forwarded-for", "198.51.100.1"), proxies=TrustedProxies()) == ("10.1.1.1", None)


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        pytest.param([("x-forwarded-for", "198.51.100.1")], "198.51.100.1", id="one hop"),
        pytest.param([("x-forwarded-for", "1.1.1.1, 198.51.100.1")], "198.51.100.1", id="what the client wrote itself stands to the left"),
        pytest.param([("x-forwarded-for", "1.1.1.1,198.51.100.1 , 10.2.2.2")], "198.51.100.1", id="past a second proxy of ours"),
        pytest.param([("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.1")], "198.51.100.1", id="two headers are one list"),
        pytest.param([("x-forwarded-for", "10.9.9.9, 10.2.2.2")], "10.9.9.9", id="all of ours: the outermost"),
        pytest.param([("x-forwarded-for", "198.51.100.1:4711")], "198.51.100.1", id="with a port"),
        pytest.param([("x-forwarded-for", "[2001:db8::7]:443")], "2001:db8::7", id="IPv6 with a port"),
        pytest.param([("x-forwarded-for", "2001:db8::7")], "2001:db8::7", id="IPv6"),
        pytest.param([("x-forwarded-for", "::ffff:198.51.100.1")], "198.51.100.1", id="IPv4 in IPv6"),
        pytest.param([("x-forwarded-for", "198.51.100.1, nonsense")], "10.1.1.1", id="what is no address ends the walk"),
        pytest.param([("x-forwarded-for", "198.51.100.1, unknown, 10.2.2.2")], "10.2.2.2", id="also behind a proxy of ours"),
        pytest.param([("x-forwarded-for", "")], "10.1.1.1", id="empty"),
        pytest.param([("forwarded", "for=198.51.100.1;proto=https")], "198.51.100.1", id="RFC 7239"),
        pytest.param([("forwarded", 'for=1.1.1.1, For="[2001:db8::7]:47"; by=10.2.2.2')], "2001:db8::7", id="RFC 7239, IPv6"),
        pytest.param([("forwarded", 'for="_hidden"')], "10.1.1.1", id="RFC 7239, hidden"),
        pytest.param([("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "198.51.100.1")], "198.51.100.1", id="x-forwarded-for wins"),
    ],
)
def test_the_right_most_hop_that_is_no_proxy_of_ours(headers: list[tuple[str, str]], address: str) -> None:
    assert origin("10.1.1.1", *headers)[0] == address


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ([("x-forwarded-proto", "https")], "https"),
        ([("x-forwarded-proto", "HTTPS, http")], "https"),
        ([("x-forwarded-proto", "javascript")], None),
        ([("forwarded", "for=198.51.100.1;proto=https")], "https"),
        ([], None),
    ],
)
def test_the_scheme_is_the_proxys_word(headers: list[tuple[str, str]], scheme: str | None) -> None:
    assert origin("10.1.1.1", *headers)[1] == scheme


def test_a_peer_that_is_ipv4_in_ipv6_is_the_ipv4_address() -> None:
    assert origin("::ffff:10.1.1.1", ("x-forwarded-for", "198.51.100.1"))[0] == "198.51.100.1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.1", "198.51.100.1", True),
        ("198.51.100.1", "198.51.100.2", False),
    ],
)
def test_an_ipv6_network_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (bucket(one) == bucket(other)) is same
