"""The resources: an item or passage whole, and a session in short. Quoted, within a token budget."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from app.assist.quoting import inert, one_line, tokens_of, wrap
from app.errors import NotFound
from app.mcp.definitions import ITEM_URI, SESSION_URI
from app.mcp.rendering import WholeItem, render_whole
from app.mcp.tools import Caller, item_id
from app.sessions.event import Event
from app.sessions.reader import ShownSession

MAX_RESOURCE_TOKENS: Final = 8_000
MAX_EVENTS, SAID_CHARS = 400, 600
"""Events of a session that are looked at, from its beginning, and characters told of each."""


async def read_resource(caller: Caller, uri: str) -> str:
    """Return a resource's text. NotFound for one that the team doesn't have, and for a URI of another form."""
    if uri.startswith(ITEM_URI):
        shown = await caller.services.knowledge.reader.read(caller.requester, item_id(uri))
        return render_whole([WholeItem.of(shown)], (), max_tokens=MAX_RESOURCE_TOKENS).text
    if uri.startswith(SESSION_URI):
        return await _session(caller, uri.removeprefix(SESSION_URI))
    raise NotFound(f"There is no resource {uri[:200]!r}. There are {ITEM_URI}ID and {SESSION_URI}ID.")


async def _session(caller: Caller, given: str) -> str:
    try:
        session_id = UUID(given)
    except ValueError:
        raise NotFound(f"{given[:100]!r} is not the id of a session: see citations or `cairn sessions list` (GET /v1/sessions).") from None
    sessions = caller.services.sessions.reader
    shown = await sessions.show(caller.requester, session_id)
    read = await sessions.events(caller.requester, shown, limit=MAX_EVENTS, max_chars=SAID_CHARS)
    events = [event for _, event in read.page.events]
    return _within_budget(shown, events, cut=read.page.later) if read.access.shown else _without_words(shown)


def _without_words(shown: ShownSession) -> str:
    said = "[what was said is not shown: it is another's session. Search finds what was learnt from it]"
    return wrap("\n\n".join([*_head(shown), said]), [shown.session.id])


def _within_budget(shown: ShownSession, events: list[Event], *, cut: bool) -> str:
    session, lines = shown.session, _head(shown)
    spent = tokens_of(wrap("\n".join(lines), [session.id])) + 20
    for event in events:
        said = _said(event)
        spent += tokens_of(f"{said}\n\n")
        if spent > MAX_RESOURCE_TOKENS:
            cut = True
            break
        lines += [said] if said else []
    return wrap("\n\n".join([*lines, *(["[the rest is omitted]"] if cut else [])]), [session.id])


def _head(shown: ShownSession) -> list[str]:
    session = shown.session
    facts = [session.provider, f"project {shown.project}", *filter(None, (session.branch, session.model))]
    when = f"{session.began_at:%Y-%m-%d %H:%M} UTC" if session.began_at else "time unknown"
    return [f"# {one_line(session.title or session.transcript, 200)}", f"{when} · {' · '.join(one_line(each, 100) for each in facts)}"]


def _said(event: Event) -> str:
    """Return a prompt or a reply as a quotation; nothing for what tools and software said."""
    who = {"prompt": "asked", "reply": "answered"}.get(event.kind)
    return (
        f"**{who}** ({one_line(event.locator, 40)}): {inert(event.text).strip()}"
        if who and event.text.strip() and not event.sidechain
        else ""
    )
