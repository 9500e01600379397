"""The tools: each is one call of the operation that the routes and pages use, with its permission check; here only words are made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import InvalidInput, NotFound
from app.knowledge.edits import ItemFields
from app.knowledge.item import KINDS
from app.knowledge.results import Query
from app.mcp.definitions import ITEM_URI, TYPES
from app.mcp.rendering import Told, WholeItem, render_hits, render_whole
from app.services import Services

FETCH_TOKENS: Final = 8_000
NO_PROJECT = (
    "The session's project is unknown. Send its name in the header x-cairn-project, start `cairn mcp` with --project, or put project "
    '= "NAME" into the repository\'s .cairn.toml.'
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The requester of a call, and the project that their session works in; None: it isn't known."""

    services: Services
    requester: Requester
    project: str | None

    def project_named(self) -> str:
        """Return the session's project. InvalidInput where it isn't known."""
        if self.project is None:
            raise InvalidInput(NO_PROJECT, param="x-cairn-project")
        return self.project


async def search(caller: Caller, given: Mapping[str, Any]) -> Told:
    """Find short hits in the session's project, or in all of the team's."""
    project = None if given["all_projects"] else caller.project
    kinds = (given["kind"],) if "kind" in given else KINDS
    intents = tuple(given.get("intents", ()))
    query = Query(text=given["query"], project=project, prefer_project=caller.project, limit=given["limit"], kinds=kinds, intents=intents)
    found = await caller.services.knowledge.reader.search(caller.requester, query)
    return render_hits(found, project=project, max_tokens=given["max_tokens"])


async def get(caller: Caller, given: Mapping[str, Any]) -> Told:
    """Read items and passages whole. NotFound where the team has none of them."""
    items, missing = [], []
    for each in dict.fromkeys(given["ids"]):
        try:
            items.append(await _read(caller, each))
        except NotFound:
            missing.append(each)
    if not items:
        raise NotFound(f"The team has none of these ids: {', '.join(missing)}. Use complete ids, as `search` returns them.")
    return render_whole(items, missing, max_tokens=given["max_tokens"])


async def fetch(caller: Caller, given: Mapping[str, Any]) -> Told:
    """Read one item in the shape of ChatGPT's connectors."""
    item = await _read(caller, given["id"])
    whole = render_whole([item], (), max_tokens=FETCH_TOKENS)
    (entry,) = whole.structured["items"]
    metadata = {"type": item.type, "project": entry["project"], "cited": "; ".join(entry["cited"])}
    shape = {"id": entry["id"], "title": entry["title"] or item.type, "text": entry["text"], "url": f"{ITEM_URI}{item.id}"}
    return Told(whole.text, shape | {"metadata": metadata})


async def remember(caller: Caller, given: Mapping[str, Any]) -> Told:
    """Record what a person or the session knows, in the session's project."""
    if given["type"] not in TYPES:
        raise InvalidInput(f"type must be one of {', '.join(TYPES)}.", param="type")
    words = ItemFields(given["type"], given.get("title", ""), given["text"], tuple(given.get("paths", ())))
    shown, new = await caller.services.knowledge.writer.record(caller.requester, caller.project_named(), words)
    item = shown.item
    said = "Recorded" if new else "Known already"
    return Told(
        f"{said} in {shown.project} as {item.id}: {item.title}",
        {"id": str(item.id), "title": item.title, "project": shown.project, "new": new},
    )


async def feedback(caller: Caller, given: Mapping[str, Any]) -> Told:
    """Judge an item in the requester's name; their next verdict replaces it."""
    shown = await caller.services.knowledge.writer.judge(caller.requester, item_id(given["id"]), given["verdict"], given.get("note", ""))
    hidden = bool(shown.item.hidden)
    after = " It is hidden from now on." if hidden else ""
    return Told(
        f"Noted: {shown.item.id} is {given['verdict']}.{after}", {"id": str(shown.item.id), "verdict": given["verdict"], "hidden": hidden}
    )


async def session_context(caller: Caller, given: Mapping[str, Any]) -> Told:
    """Tell what a session in this project should know at its start."""
    project = caller.project_named()
    told = await caller.services.assist.session_contexts.read(caller.requester, project, max_tokens=given["max_tokens"])
    entries = [
        {"id": str(each.id), "section": each.section, "type": each.type, "line": each.line, "cited": each.cited} for each in told.items
    ]
    nothing = f"There is no context for the project {project} yet: use search to find what was said."
    return Told(told.text or nothing, {"project": project, "entries": entries})


async def _read(caller: Caller, given: str) -> WholeItem:
    return WholeItem.of(await caller.services.knowledge.reader.read(caller.requester, item_id(given)))


def item_id(given: str) -> UUID:
    """Read an id. NotFound for a text that is none: nothing has it."""
    try:
        return UUID(given.strip().removeprefix(ITEM_URI))
    except ValueError:
        raise NotFound(f"{given!r} is not a complete id: use ids of 36 characters, as `search` returns them.", param="id") from None


HANDLERS: Final[Mapping[str, Callable[[Caller, Mapping[str, Any]], Awaitable[Told]]]] = {
    each.__name__: each for each in (search, get, fetch, remember, feedback, session_context)
}
