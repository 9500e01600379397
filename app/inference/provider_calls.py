"""Write one attempt's call in the dialect of its provider. Pure: knows no wire and no price.

A provider that speaks Chat Completions gets the engine's own request (`parameters.call_for`). One of the caller's dialect gets the body as
the caller sent it; any other one is written from the typed conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from app.errors import InvalidInput
from app.inference.chain import ChainProvider
from app.inference.claude_models import takes_effort, takes_sampling
from app.inference.conversation import Conversation, Options, Reasoning, Text, Turn
from app.inference.dialects.chat import CHAT
from app.inference.dialects.dialect import ProviderDialect
from app.inference.dialects.gemini import GEMINI
from app.inference.dialects.messages import MESSAGES
from app.inference.parameters import call_for
from app.inference.priced_fields import without_priced
from app.inference.provider_errors import ProviderError
from app.inference.request import ChatRequest
from app.inference.wires.wire import ProviderCall, WrittenCall

SAMPLING = ("temperature", "top_p", "top_k")
Fit = Callable[[Conversation, ChainProvider, int], tuple[Conversation, tuple[str, ...]]]
"""Fits a conversation to a provider's model and a bound of its answer; returns it, and the names of what the model can't be asked for."""


@dataclass(frozen=True, slots=True)
class RequestWriter:
    """Writes requests of one dialect: `fit` comes first."""

    dialect: ProviderDialect
    fit: Fit


def provider_call(candidate: ChainProvider, request: ChatRequest, max_tokens: int) -> tuple[ProviderCall, tuple[str, ...]]:
    """Return the call for a provider, and the names of what it can't be given. Raises ProviderError for what can't be written."""
    writer = WRITERS.get(candidate.dialect)
    if writer is None:
        call, dropped = call_for(candidate, request, max_tokens)
        return call, (*request.lost, *(name for name in dropped if name not in request.lost))
    written, dropped = _written(writer, candidate, request, max_tokens)
    return ProviderCall(candidate.model, request.messages, {"max_tokens": max_tokens}, written), dropped


def _written(writer: RequestWriter, candidate: ChainProvider, request: ChatRequest, max_tokens: int) -> tuple[WrittenCall, tuple[str, ...]]:
    asked = _conversation(request)
    original = request.original if request.original is not None and request.original.dialect == writer.dialect.name else None
    headers = {} if original is None else original.headers
    if original is not None and original.body is not None and not _shrunk(asked, max_tokens):
        body, left_out = without_priced(original.body)
        return WrittenCall(body, asked, headers), left_out
    fitted, lost = writer.fit(asked, candidate, max_tokens)
    try:
        written = writer.dialect.write_request(fitted)
    except InvalidInput as error:
        raise _unsupported(error) from error
    body, left_out = without_priced(written.body)
    return WrittenCall(body, asked, headers), tuple(dict.fromkeys((*lost, *written.dropped, *left_out)))


def _conversation(request: ChatRequest) -> Conversation:
    """Return what is asked, typed: as its caller's dialect told it, else read from the request."""
    if request.conversation is not None:
        return request.conversation
    try:
        return CHAT.read_request({**request.parameters, "model": request.model, "messages": request.messages})
    except InvalidInput as error:
        raise _unsupported(error) from error


def _unsupported(error: InvalidInput) -> ProviderError:
    return ProviderError("unsupported", error.message, 400, code=error.code, param=error.param)


def _fitted_for_gemini(asked: Conversation, candidate: ChainProvider, max_tokens: int) -> tuple[Conversation, tuple[str, ...]]:
    """Return a conversation for the model, without the permission to think that agents always send, unless it is known to think."""
    del max_tokens  # told beside: see `VendorFormat.body`
    asked = replace(asked, model=candidate.model)
    if asked.options.reasoning is None or candidate.reasoning or asked.dialect == "chat":
        return asked, ()
    return replace(asked, options=replace(asked.options, reasoning=None)), ("reasoning_effort",)


def _shrunk(asked: Conversation, max_tokens: int) -> bool:
    """Tell whether the hold left less room than the permission to think takes: then it has to be written anew."""
    thinking = asked.options.reasoning
    return thinking is not None and thinking.budget_tokens is not None and thinking.budget_tokens >= max_tokens


def _fitted_for_claude(asked: Conversation, candidate: ChainProvider, max_tokens: int) -> tuple[Conversation, tuple[str, ...]]:
    """Return a conversation as the model takes it, and the names of what it can't be asked for.

    Of another dialect only the effort says how much to think: where the model takes no effort, as so many tokens. What excludes thinking,
    a tool that must be called, wins over it; what thinking excludes, a temperature, is left out.
    """
    options = replace(asked.options, max_tokens=max_tokens)
    if asked.dialect == MESSAGES.name:
        return replace(asked, options=options), ()
    lost: list[str] = []
    if options.reasoning is not None:
        options = replace(options, reasoning=_reasoning(options, candidate, max_tokens))
        lost += ["reasoning_effort"] if options.reasoning is None else []
    refused = () if takes_sampling(candidate.model) else SAMPLING
    if options.reasoning is not None and options.reasoning.enabled:
        refused = SAMPLING
    lost += [name for name in refused if getattr(options, name) is not None]
    if refused:
        options = replace(options, temperature=None, top_p=None, top_k=None)
    return replace(asked, options=options, turns=_trimmed(asked.turns)), tuple(lost)


def _trimmed(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return the turns without white space at the end of an answer that is to be continued: it is refused there."""
    if not turns or turns[-1].role != "assistant" or not turns[-1].parts or not isinstance(last := turns[-1].parts[-1], Text):
        return turns
    return (*turns[:-1], replace(turns[-1], parts=(*turns[-1].parts[:-1], replace(last, text=last.text.rstrip()))))


def _reasoning(options: Options, candidate: ChainProvider, max_tokens: int) -> Reasoning | None:
    """Return the permission to think that a Claude model understands; None if there is no room for it."""
    reasoning = options.reasoning
    assert reasoning is not None
    if not reasoning.enabled or reasoning.effort == "none":
        return reasoning
    if options.tool_choice is not None and options.tool_choice.mode in {"required", "named"}:
        return None
    if reasoning.effort is None or takes_effort(candidate.model):
        return reasoning
    budget = candidate.profile.effort_tokens.get(reasoning.effort, 0)
    return Reasoning(budget_tokens=budget, summary=reasoning.summary) if 0 < budget < max_tokens else None


WRITERS: Mapping[str, RequestWriter] = {
    "messages": RequestWriter(MESSAGES, _fitted_for_claude),
    "gemini": RequestWriter(GEMINI, _fitted_for_gemini),
}
"""The dialects that requests are written in, beside Chat Completions."""
