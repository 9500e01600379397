"""Entity tags of JSON replies to GET: a client that has the reply already is told so with 304, without the body. Knows no route.

The tag is a hash of the bytes, so it holds for every route, whatever changes its reply. A route's own tag (a revision, for `if-match`)
stands before the hash.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from app.errors import InvalidInput

MAX_BYTES: Final = 2**18
"""Larger replies have no tag: hashing so many bytes takes under a millisecond of the event loop."""
CACHE_CONTROL: Final = "private, no-cache"
"""A browser may keep the reply, for its user alone, and asks each time whether it still holds."""
VARY: Final = "authorization, x-api-key, x-cairn-team"
KEPT: Final = ("etag", "cache-control", "vary")
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')

IF_NONE_MATCH: Final[dict[str, Any]] = {
    "name": "if-none-match",
    "in": "header",
    "required": False,
    "description": "The `etag` of an earlier reply. If nothing has changed since, the reply is 304 without a body.",
    "schema": {"type": "string"},
}
NOT_MODIFIED: Final[dict[str, Any]] = {"description": "Not modified: the earlier reply with this `etag` is still current"}


def conditional(request: Request, response: Response) -> Response:
    """Give a reply its tag, or replace it by 304 where the request has it already. Streams and `no-store` stay as they are."""
    body = getattr(response, "body", None)
    if response.status_code != 200 or not isinstance(body, bytes) or len(body) > MAX_BYTES:
        return response
    headers = response.headers
    if "no-store" in headers.get("cache-control", "") or not headers.get("content-type", "").startswith("application/json"):
        return response
    headers["etag"] = tag = _tag_of(body, headers.get("etag"))
    headers["cache-control"] = CACHE_CONTROL
    headers["vary"] = VARY
    if not matches(request.headers.get("if-none-match"), tag):
        return response
    unchanged = Response(status_code=304)
    unchanged.raw_headers = [each for each in response.raw_headers if not each[0].startswith(b"content-")]
    return unchanged


def matches(given: str | None, tag: str) -> bool:
    """Tell whether an `if-none-match` names this tag. Weak tags match strong ones, as HTTP compares them here."""
    if given is None:
        return False
    return given.strip() == "*" or tag in _TAG.findall(given)


def revision_of(given: str | None) -> str | None:
    """Return the revision in a tag that a route's own revision begins: `"REVISION-HASH"`, `"REVISION"` or the bare revision."""
    if given is None:
        return None
    return given.strip().removeprefix("W/").strip('"').partition("-")[0]


def revision_tag(revision: str) -> str:
    """Return the `etag` header of a reply that shows something at a revision."""
    return f'"{revision}"'


async def _known_revision(
    if_match: Annotated[
        str | None,
        Header(
            max_length=200,
            description="The `etag` or `revision` of what is changed, as it was read: 412 where somebody else has changed it since.",
        ),
    ] = None,
) -> str | None:
    """Return the revision in an `if-match`, weak or not; None for `*` or no header: any revision matches. InvalidInput for others."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = revision_of(if_match) or ""
    if not found.isalnum():
        raise InvalidInput("if-match must be one revision: send the `etag` or `revision` that was read, or leave it out.", param="if-match")
    return found


KnownRevision = Annotated[str | None, Depends(_known_revision)]
"""The revision that a change is based on; None: it is made whatever there is."""


def _tag_of(body: bytes, own: str | None) -> str:
    revision = revision_of(own)
    digest = hashlib.sha256(body).hexdigest()[:24]
    return f'"{digest}"' if revision is None else f'"{revision}-{digest}"'
