"""The visitor of a page: its signed cookie, and the token that a change must bring (CSRF). Neither holds a key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Unpadded
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.accounts import DEFAULT_TEAM
from app.accounts.requester import Requester
from app.errors import InvalidInput, NotAuthenticated, NotPermitted
from app.services import Services
from app.storage.replicas.read_session import identify
from app.web.connections import mark_keyed
from app.web.requester import services_of

COOKIE, PATH = "cairn_dashboard", "/dashboard"
TOKEN = "csrf"  # noqa: S105 - the field's name
MAX_FIELDS = 20


class SignedOut(NotAuthenticated):
    """Raised where nobody is signed in (any more); leads to the sign-in page. `was`: there was a cookie."""

    def __init__(self, message: str, *, was: bool) -> None:
        super().__init__(message)
        self.was = was


class AdminsOnly(NotPermitted):
    """Raised where somebody else opens a page that only admins see."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in requester, and the services. `token` is new for each page."""

    services: Services
    requester: Requester
    sign_in: UUID
    token: str

    @property
    def team_query(self) -> str:
        """Return the query that links carry on: the team that an admin looks at."""
        own_default = self.requester.developer_id is None and self.requester.team == DEFAULT_TEAM
        chosen = self.requester.is_admin and not own_default
        return f"?{urlencode({'team': self.requester.team})}" if chosen else ""


async def visitor(request: Request) -> Visitor:
    """Return the signed-in visitor; every page calls this. SignedOut if the cookie is forged or expired, or its key is revoked."""
    services, cookie = services_of(request), request.cookies.get(COOKIE)
    sign_in = _sign_in_of(services, cookie) if cookie else None
    if sign_in is None:
        raise SignedOut("You are not signed in: sign in with your key.", was=False)
    try:
        requester = await services.sign_ins.who(sign_in, team=_team_of(request))
    except NotAuthenticated as error:
        raise SignedOut(error.message, was=True) from error
    mark_keyed(request.scope)
    return Visitor(services, requester, sign_in, _masked(_token(services, sign_in)))


async def budget_reader(request: Request) -> Visitor:
    """Return a visitor who reads their team's budgets: an admin, a lead or an auditor. NotPermitted for others."""
    found = await visitor(request)
    if not found.requester.may("read_team_budget"):
        raise NotPermitted("This page is for admins, leads and auditors. Your own budget is under My budget.")
    return found


async def admin(request: Request) -> Visitor:
    found = await visitor(request)
    check_admin(found)
    return found


def check_admin(who: Visitor) -> None:
    """Raise NotPermitted for a page that only admins see."""
    if not who.requester.may("administer"):
        raise AdminsOnly("This page is for admins: sign in with the admin key. Your own budget is under My budget.")


async def verified_form(request: Request, who: Visitor) -> FormData:
    """Return the form of a change, after checking its origin and CSRF token. NotPermitted if either is wrong."""
    check_origin(request)
    form = await request.form(max_files=0, max_fields=MAX_FIELDS)
    sent = request.headers.get("x-csrf") or form.get(TOKEN)
    if not isinstance(sent, str) or not hmac.compare_digest(_unmasked(sent), _token(who.services, who.sign_in)):
        raise NotPermitted("This form has expired: reload the page and repeat the change.")
    identify(str(who.requester.developer_id or "admin"))  # read your writes, at replicas too
    return form


def check_origin(request: Request) -> None:
    """Raise NotPermitted for a cross-site form, by `sec-fetch-site` or `origin`. A client that sends neither is no browser."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise NotPermitted("This form was sent from another site: open the dashboard itself and repeat the change.")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise NotPermitted("This form was sent from another site: open the dashboard itself and repeat the change.")


def set_cookie(response: Response, services: Services, sign_in: UUID, *, secure: bool) -> None:
    seconds = round(services.settings.dashboard.session_hours * 3600)
    response.set_cookie(
        COOKIE, f"{sign_in}.{_signature(services, sign_in)}", max_age=seconds, path=PATH, httponly=True, samesite="lax", secure=secure
    )


def for_https_alone(request: Request) -> bool:
    """Tell whether cookies are for https alone: by the server's public address, too, whatever a proxy says or forgets to say."""
    public = services_of(request).settings.server.public_url or ""
    return request.url.scheme == "https" or public.startswith("https://")


def delete_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="lax")


def text_of(form: FormData, field: str) -> str:
    """Return a form's text field, stripped. InvalidInput if the form lacks it."""
    value = form.get(field)
    if not isinstance(value, str):
        raise InvalidInput(f"The form has no field {field}: reload the page and send it again.", param=field)
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").strip()  # may hold lone surrogates


def _team_of(request: Request) -> str | None:
    team = request.query_params.get("team")
    return team[:100] if team else None


def _sign_in_of(services: Services, cookie: str) -> UUID | None:
    name, _, signature = cookie.partition(".")
    try:
        sign_in = UUID(name)
    except ValueError:
        return None
    return sign_in if hmac.compare_digest(signature.encode(), _signature(services, sign_in).encode()) else None


def _signature(services: Services, sign_in: UUID) -> str:
    return urlsafe_b64encode(_digest(services, "sign-in", sign_in)).decode().rstrip("=")


def _token(services: Services, sign_in: UUID) -> bytes:
    return _digest(services, "change", sign_in)


def _digest(services: Services, purpose: str, sign_in: UUID) -> bytes:
    """Return an HMAC for one purpose (domain separation): a signature for another purpose is invalid here."""
    return hmac.digest(services.secrets.secret_key.encode(), f"dashboard {purpose} {sign_in}".encode(), hashlib.sha256)


def _masked(token: bytes) -> str:
    """Mask the token with random bytes, different in each page (against BREACH)."""
    mask = secrets.token_bytes(len(token))
    return urlsafe_b64encode(mask + _xor(mask, token)).decode()


def _unmasked(sent: str) -> bytes:
    try:
        raw = urlsafe_b64decode(sent.encode("ascii", "replace"))
    except (Unpadded, ValueError):
        return b""
    half = len(raw) // 2
    return _xor(raw[:half], raw[half:]) if len(raw) % 2 == 0 else b""


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
