"""Content blocks of a message, as Anthropic's API has them and as the agents that followed it write them."""

from __future__ import annotations

from collections.abc import Iterator

from app.sessions.event import ReplyUsage
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import mapping, nanousd, string, text_of, total, whole

Record = dict[str, object]
_INPUT, _FRESH = (
    ("input_tokens", "inputTokens", "input", "inputOther"),
    ("cache_creation_input_tokens", "cacheCreationInputTokens", "cacheWrite", "inputCacheCreation"),
)
_OUTPUT, _CACHED = (
    ("output_tokens", "outputTokens", "output"),
    ("cache_read_input_tokens", "cacheReadInputTokens", "cacheRead", "inputCacheRead"),
)


def read_blocks(turns: Turns, facts: RecordFacts, role: str, content: object, tally: ParseTally) -> Iterator[Read]:
    """Yield what a message's content holds: texts, thoughts, calls, results. `role` `user`: its texts are a person's, if not software's."""
    for block in content if isinstance(content, list) else [content]:
        given: Record = {"type": "text", "text": block} if isinstance(block, str) else mapping(block)
        match given.get("type"):
            case "text" | "input_text" | "output_text":
                yield from (turns.prompt if role == "user" else turns.reply)(facts, text_of(given.get("text")))
            case "thinking" | "reasoning" | "think":
                words = next((found for key in ("thinking", "think", "text") if (found := string(given.get(key)))), "")
                yield from turns.thinking(facts, words)
            case "image" | "image_url":
                yield from turns.notice(facts, text_of(given))
            case "tool_use" | "toolCall" | "tool_call":
                asked = given.get("input", given.get("arguments", given.get("args")))
                yield from turns.call(facts, string(given.get("id")), string(given.get("name")), asked)
            case "tool_result":
                key = string(given.get("tool_use_id")) or string(given.get("toolUseID"))
                result = (
                    _run(mapping(given["run"]))
                    if "run" in given
                    else CallResult(text_of(given.get("content")), _failed(given.get("is_error")))
                )
                if result is not None:
                    yield from turns.result(key, result)
            case other:
                tally.skip_kind("block", other)


def usage_of(given: Record) -> ReplyUsage | None:
    """Read token counts whose input leaves out what was cached. None: there are none."""

    def count(keys: tuple[str, ...]) -> int:
        return next((found for key in keys if (found := whole(given.get(key)))), 0)

    cached = count(_CACHED)
    cost = nanousd(mapping(given.get("cost")).get("total"))
    usage = ReplyUsage(total(count(_INPUT), count(_FRESH), cached), count(_OUTPUT), cached, cost)
    return usage if usage != ReplyUsage(cost_nanousd=cost) or cost else None


def _failed(given: object) -> bool | None:
    return given if isinstance(given, bool) else None


def _run(run: Record) -> CallResult | None:
    """Read Amp's `run`; None: it is under way."""
    status, result = string(run.get("status")), run.get("result")
    code = mapping(result).get("exitCode")
    output = text_of(result) or text_of(mapping(run.get("error")).get("message"))
    if status in {"in-progress", "blocked-on-user", "queued"}:
        return None
    return CallResult(
        output, status in {"error", "cancelled", "rejected-by-user"}, code if isinstance(code, int) and not isinstance(code, bool) else None
    )
