"""Answers an IDE's hook: what it tells goes into the journal, and a session or a prompt is given what the team knows.

What was captured is committed before the answer. Giving is a courtesy: where it fails or is slow, the hook is answered without it.
What was given is noted once it is composed: where only that fails, it is given all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from app.accounts.requester import Requester
from app.assist.hooks import prompts
from app.assist.hooks.nudging import Nudging
from app.assist.hooks.origins import GivenOrigin, Origin, Origins
from app.assist.hooks.prompts import NOTHING, PromptKnowledge
from app.assist.hooks.served import ServedKnowledge
from app.assist.session_context import SessionContexts
from app.errors import CairnError
from app.knowledge.reader import KnowledgeReader
from app.knowledge.results import Query
from app.sessions.event import Event, SessionHeader
from app.sessions.hook_payloads import Hook
from app.settings import HooksSettings
from app.telemetry import metrics

log = structlog.get_logger()

STARTS = frozenset({"startup", "clear", "compact"})
"""Sources of a session's start that are given its context; one that is resumed or forked has it already."""
FORGETFUL = frozenset({"clear", "compact"})
"""Sources of a start after which the model no longer has what the session was given."""
CONTEXT_TOKENS = 1_500
AppendEvents = Callable[[Requester, SessionHeader, Sequence[Event], str | None], Awaitable[UUID]]
"""Appends what a hook told to a session of this header, in the named project; returns the session's id in the journal."""


class Hooks:
    """Receives hooks of all IDEs."""

    def __init__(
        self,
        *,
        settings: HooksSettings,
        origins: Origins,
        served: ServedKnowledge,
        capture: AppendEvents,
        knowledge: KnowledgeReader,
        contexts: SessionContexts,
        nudging: Nudging,
    ) -> None:
        self._settings = settings
        self._origins = origins
        self._served = served
        self._append = capture
        self._knowledge = knowledge
        self._contexts = contexts
        self._nudging = nudging

    async def receive(self, requester: Requester, hook: Hook, given: GivenOrigin, *, inject: bool = True) -> str:
        """Journal what a hook tells; return the text that its session is given, empty for none. `inject`: whether its client passes one on.

        NotPermitted: the session is another developer's. InvalidInput names a header that can't be used.
        """
        requester.check("write")
        metrics.hook_received(hook.ide, hook.name if hook.moment != "other" else "other")
        origin = await self._origins.resolve(requester, hook, given)
        project = None if origin is None else await self._origins.project(requester.team_id, origin)
        if hook.moment == "session_start":
            return "" if origin is None or project is None or not inject else await self._context(requester, hook, origin, project)
        if hook.prompt is None or origin is None or project is None or not inject:
            captured = await self._capture(requester, hook, origin, project)
            if hook.moment != "tool" or captured is None or origin is None or project is None or not inject:
                return ""
            return await self._nudging.next(requester, captured, origin.id, project)
        capturing = asyncio.ensure_future(self._capture(requester, hook, origin, project))
        try:
            answer = await self._prompt(requester, hook.prompt, origin, project, capturing)
        finally:
            captured = await capturing
        nudge = "" if captured is None else await self._nudging.next(requester, captured, origin.id, project)
        return "\n".join(filter(None, (answer, nudge)))

    async def _capture(self, requester: Requester, hook: Hook, origin: Origin | None, project: str | None) -> UUID | None:
        """Append what the hook tells to its session; return the session's id in the journal, None if it tells nothing."""
        if not hook.events:
            return None
        header = hook.header if origin is None else origin.filled(hook.header)
        return await self._append(requester, header, hook.events, project)

    async def _prompt(self, requester: Requester, prompt: str, origin: Origin, project: str, capturing: asyncio.Future[UUID | None]) -> str:
        until = asyncio.get_running_loop().time() + self._settings.timeout_seconds
        question, found = prompts.question_in(prompt), NOTHING
        if question is None:
            metrics.hook_prompt("nothing_asked")
        else:
            try:
                async with asyncio.timeout_at(until):
                    found = await self._relevant(requester, question, origin, project, capturing)
            except (CairnError, TimeoutError) as error:
                log.warning("hooks.not_given", code=_code(error))
                metrics.hook_prompt("failed")
                return ""
            metrics.hook_prompt("given" if found.ids else "nothing_relevant")
        async with _best_effort(until):
            await self._served.record(origin.id, found.ids, "prompt", session_id=await asyncio.shield(capturing))
        return found.text

    async def _relevant(
        self, requester: Requester, question: str, origin: Origin, project: str, capturing: asyncio.Future[UUID | None]
    ) -> PromptKnowledge:
        """Return what is relevant to a prompt. Nothing where the search lacked meanings: words are no evidence of them."""
        threshold = self._settings.min_score
        query = Query(question, project=project, limit=prompts.MAX_RESULTS, min_score=0.0, max_tokens=prompts.SEARCHED_TOKENS)
        found, given = await asyncio.gather(self._knowledge.find(requester, query), self._served.ids(origin.id))
        session_id = await asyncio.shield(capturing)
        if found.degraded:
            return NOTHING
        return prompts.compose(prompts.choose(found.results, threshold=threshold, given=given, session_id=session_id))

    async def _context(self, requester: Requester, hook: Hook, origin: Origin, project: str) -> str:
        """Return what a session should know at its start."""
        if hook.source is not None and hook.source not in STARTS:
            return ""
        until = asyncio.get_running_loop().time() + self._settings.timeout_seconds
        try:
            async with asyncio.timeout_at(until):
                if hook.source in FORGETFUL:
                    await self._served.forget(origin.id)
                context = await self._contexts.read(requester, project, max_tokens=CONTEXT_TOKENS)
                if len(context.text) > prompts.MAX_CHARS:  # words of another kind than most have more characters a token
                    context = await self._contexts.read(requester, project, max_tokens=CONTEXT_TOKENS // 3)
        except (CairnError, TimeoutError) as error:
            log.warning("hooks.not_given", code=_code(error))
            return ""
        if len(context.text) > prompts.MAX_CHARS:
            return ""
        async with _best_effort(until):
            await self._served.record(origin.id, [each.id for each in context.items], "session-start")
        return context.text


@asynccontextmanager
async def _best_effort(until: float) -> AsyncIterator[None]:
    """Note what is given, by this time of the loop. It is given all the same: at worst once more, never noted and not given."""
    try:
        async with asyncio.timeout_at(until):
            yield
    except (CairnError, TimeoutError) as error:
        log.warning("hooks.not_noted", code=_code(error))


def _code(error: CairnError | TimeoutError) -> str:
    return error.code if isinstance(error, CairnError) else "too_slow"
