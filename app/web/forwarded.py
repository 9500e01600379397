"""Finds the client's address behind proxies. Forwarded headers are trusted from configured proxies only. Knows no server and no route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
IPV6_PREFIX = 64
"""One customer's IPv6 network: it has 2^64 addresses for free, so they are counted as one."""
SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class ClientOrigin:
    """A request's address and scheme. `scheme` None: the proxy did not say, so the connection's own holds."""

    address: str
    scheme: str | None


class TrustedProxies:
    """The proxies whose forwarded headers are trusted. None by default: then a request's address is its connection's peer."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: str) -> bool:
        return bool(self._networks) and (found := parsed(address)) is not None and self._trusts(found)

    def origin(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> ClientOrigin:
        """Find the right-most hop that is no proxy of ours. `headers` with names in lower case, as ASGI has them.

        `x-forwarded-for` wins over `forwarded` where both came: most proxies write only the first, and pass the other on unread.
        """
        if peer not in self:
            return ClientOrigin(peer, None)
        forwarding = [(name, value.decode("latin-1")) for name, value in headers if name in _NAMES]
        listed = [hop for name, value in forwarding if name == b"x-forwarded-for" for hop in value.split(",")]
        if listed:
            hops = [_Hop(hop.strip(), None) for hop in listed]
        else:
            hops = list(_elements(value for name, value in forwarding if name == b"forwarded"))
        address, proto = self._walk(peer, hops)
        given = proto or next((value.split(",")[0] for name, value in forwarding if name == b"x-forwarded-proto"), "")
        scheme = given.strip().lower()
        return ClientOrigin(address, scheme if scheme in SCHEMES else None)

    def _walk(self, peer: str, hops: list[_Hop]) -> tuple[str, str | None]:
        """Walk from the nearest hop outwards, up to the first that is not trusted or no address: nothing beyond it can be trusted."""
        address, proto = peer, None
        for hop in reversed(hops):
            found = parsed(hop.node)
            if found is None:
                break
            address, proto = str(found), hop.proto or proto
            if not self._trusts(found):
                break
        return address, proto

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)


def parsed(node: str) -> Address | None:
    """Parse an address with or without port, brackets or zone: `10.1.2.3:4711`, `[2001:db8::1]:443`. None for anything else."""
    text = node.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def bucket(address: str) -> str:
    """Return the key that an address is counted under: itself, or its IPv6 network."""
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX), IPV6_PREFIX)))
    return address if found is None else str(found)


@dataclass(frozen=True, slots=True)
class _Hop:
    node: str
    proto: str | None


def _elements(values: Iterable[str]) -> Iterator[_Hop]:
    """Yield the hops of `forwarded` headers (RFC 7239). A quoted comma or semicolon yields two invalid hops, which end the walk."""
    for element in (each for value in values for each in value.split(",")):
        pairs = dict(pair.strip().lower().partition("=")[::2] for pair in element.split(";"))
        yield _Hop(pairs.get("for", ""), pairs.get("proto", "").strip('"') or None)


_NAMES = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"})
