"""Parses the addresses and networks of a setting, and refuses those that would trust more than was probably meant."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
WRITE_NETWORKS = 'write addresses or networks, such as ["10.1.2.3", "172.18.0.0/16"], in a variable with spaces between them'


def parse_networks(value: object) -> object:
    """Parse a list or a text of addresses and CIDR networks. Raises ValueError, which says what to write."""
    listed = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ValueError(f"is no list of networks: {WRITE_NETWORKS}")  # noqa: TRY004 - pydantic tells ValueError alone
    return tuple(_network(str(each)) for each in listed)


def _network(text: str) -> Network:
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is no address and no network: {WRITE_NETWORKS}") from None
    if found.prefixlen == 0:
        raise ValueError(f"'{text}' would trust everybody: {WRITE_NETWORKS}")
    if ip_address(text.partition("/")[0]) != found.network_address:
        raise ValueError(f"'{text}' is an address within a network: write {found} for the network, or the address alone")
    return found
