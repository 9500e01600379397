"""The parts of sending that both faces share: the HTTP client's options and errors, server-sent events, the bound of a reply."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

import httpx2

from cairn.client.address import Address
from cairn.client.errors import CairnError, ConnectionLost, NotConfigured, TimedOut, Unreachable, UnreadableReply
from cairn.client.reading import parse
from cairn.client.replies import refused

CONNECT_SECONDS = 5.0
DEFAULT_SECONDS = 60.0
STREAM_SILENCE_SECONDS = 45.0
"""A stream says something every 15 seconds: after three times as long it is broken."""
MAX_REPLY_BYTES = 64 * 2**20
CHUNK_BYTES = 2**18
DONE = "[DONE]"


@cache
def user_agent() -> str:
    """Name this client for the server's log."""
    try:
        return f"cairn-client/{version('cairn')}"
    except PackageNotFoundError:
        return "cairn-client"


def headers_for(address: Address, team: str | None) -> dict[str, str]:
    """Return the headers of every request."""
    return {"authorization": f"Bearer {address.key}", "user-agent": user_agent(), **({} if team is None else {"x-cairn-team": team})}


def timeout_of(seconds: float) -> httpx2.Timeout:
    """Return the bounds of a request: `seconds` without any byte either way; less for the connection to come about."""
    if not 0 < seconds < float("inf"):
        raise ValueError("timeout must be a number of seconds above 0: without one a plugin can wait for ever")
    return httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn the HTTP client's errors into the tree's. What they say of the network stays their cause."""
    try:
        yield
    except (httpx2.ConnectTimeout, httpx2.ConnectError, httpx2.ProxyError) as error:
        certificate = isinstance(error.__context__, ssl.SSLError) or "CERTIFICATE" in str(error)
        reason = "its certificate isn't trusted" if certificate else "no connection came about"
        raise Unreachable(f"The server at {url} can't be reached: {reason}. Check that it runs and that the URL is right.") from error
    except httpx2.PoolTimeout as error:
        raise Unreachable(
            "All of this client's connections are in use: close streams that are done with, or open another client."
        ) from error
    except httpx2.TimeoutException as error:
        raise TimedOut(f"The server at {url} fell silent in the middle of a request. Try again, or give more `timeout`.") from error
    except httpx2.SSEError as error:
        raise UnreadableReply(f"What {url} streams can't be read ({error}). Check that it is a Cairn server.") from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise NotConfigured(f"{url} can't be asked ({error}). Check the server's URL.") from error
    except httpx2.DecodingError as error:
        raise UnreadableReply(f"What {url} answered can't be unpacked ({error}). A proxy may have changed it.") from error
    except httpx2.TransportError as error:
        raise ConnectionLost(f"The connection to {url} broke ({type(error).__name__}). Try again.") from error


def refuse_too_large(asked: str) -> NoReturn:
    """Raise UnreadableReply for a reply that has no end."""
    raise UnreadableReply(f"{asked} was answered with more than {MAX_REPLY_BYTES // 2**20} MiB. Check that it is a Cairn server.")


def event_data(event: httpx2.ServerSentEvent) -> Any:
    """Return the JSON of a server-sent event. Raises the error that it tells, or UnreadableReply."""
    try:
        told = parse(event.data)
    except (ValueError, RecursionError):
        raise UnreadableReply("The server streamed something that isn't JSON. Is it of a version near this client's?") from None
    if isinstance(told, Mapping) and set(told) == {"error"}:
        raise _told(told["error"])
    return told


def _told(error: Any) -> CairnError:
    try:
        return refused(error, status=None)
    except (KeyError, TypeError):
        return UnreadableReply("The server ended a stream with an error that can't be read.")
