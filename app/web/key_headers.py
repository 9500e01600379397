"""Reads and checks the key and the `x-cairn-…` headers beside it: each at most once, bounded in length. Knows no account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Scope

from app.errors import InvalidInput, NotAuthenticated
from app.redaction.labels import check_label

AUTHORIZATION, TEAM, DEVELOPER, PURPOSE = "authorization", "x-cairn-team", "x-cairn-developer", "x-cairn-purpose"
API_KEY: Final = "x-api-key"
"""The header in which Anthropic's clients send a key."""
SESSION, AGENT, PARENT_AGENT = "x-cairn-session", "x-cairn-agent", "x-cairn-parent-agent"
"""Headers of a model call that name its coding session and agents; `api/call_origin.py` reads them, and those of the agents themselves."""
MAX_ORIGIN_CHARS: Final = 200
MAX_CHARS: Final = {TEAM: 100, DEVELOPER: 200, PURPOSE: 64}
_READ: Final = {name.encode(): name for name in (AUTHORIZATION, API_KEY, *MAX_CHARS)}


@dataclass(slots=True)
class KeyHeaders:
    """The headers as they were sent. `twice`: those that came more than once, with different values."""

    authorization: str | None = None
    api_key: str | None = None
    team: str | None = None
    developer: str | None = None
    purpose: str | None = None
    twice: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the key. Raises NotAuthenticated if there is none, or if two different ones were sent."""
        if AUTHORIZATION in self.twice or API_KEY in self.twice:
            name = "Authorization" if AUTHORIZATION in self.twice else API_KEY
            raise NotAuthenticated(f"Two different {name} headers were sent: send one.")
        scheme, _, key = (self.authorization or "").partition(" ")
        key, other = key.strip() if scheme.lower() == "bearer" else "", (self.api_key or "").strip()
        if key and other and key != other:
            raise NotAuthenticated("Two different keys were sent, in Authorization and in x-api-key: send one.")
        if not key and not other:
            said = "No key was sent: send the header Authorization: Bearer KEY, or x-api-key: KEY."
            raise NotAuthenticated(f"{said} An admin creates one with `cairn keys create NAME` or POST /v1/developers/{{name}}/keys.")
        return key or other

    def check(self) -> None:
        """Raise InvalidInput, which names the header, for one that was sent twice, is too long, or whose label looks like a secret."""
        if self.twice:
            raise InvalidInput(f"The header {self.twice[0]} was sent twice, with different values: send it once.", param=self.twice[0])
        for name, value in ((TEAM, self.team), (DEVELOPER, self.developer), (PURPOSE, self.purpose)):
            if value is not None and len(value) > MAX_CHARS[name]:
                raise InvalidInput(f"{name} is longer than {MAX_CHARS[name]} characters: shorten it.", param=name)
        if self.purpose is not None:
            check_label(self.purpose, param=PURPOSE)


def read_key_headers(scope: Scope) -> KeyHeaders:
    """Read them from a scope, whose names are lower-case (ASGI)."""
    found: dict[str, str] = {}
    twice: list[str] = []
    for raw, value in scope["headers"]:
        if (name := _READ.get(raw)) is not None:
            text = value.decode("latin-1")
            if found.setdefault(name, text) != text:
                twice.append(name)
    return KeyHeaders(found.get(AUTHORIZATION), found.get(API_KEY), found.get(TEAM), found.get(DEVELOPER), found.get(PURPOSE), tuple(twice))


def described(name: str, description: str) -> dict[str, Any]:
    """Describe a header as a parameter of a route in the API's description (OpenAPI)."""
    longest = MAX_CHARS.get(name, MAX_ORIGIN_CHARS)
    schema = {"anyOf": [{"type": "string", "maxLength": longest}, {"type": "null"}], "description": description}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema | {"title": name.title()}}
