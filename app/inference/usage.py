"""Parse the usage that a provider reports, in each known dialect. Pure: knows no price.

An invalid usage (negative, fractional) is None: then Cairn's own count is charged. An absurdly large number is read as `MAX_COUNT`,
which `allowance.py` disputes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.budget.prices import TokenUsage

MAX_COUNT = 2**40
"""Cap for reported counts: no call uses so many tokens."""
MAX_DIGITS = 13
PROMPT, OUTPUT, TOTAL = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"), ("total_tokens",)
HIT, MISS = "prompt_cache_hit_tokens", "prompt_cache_miss_tokens"
"""DeepSeek's names: the prompt is their sum."""
READ, WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"
"""Anthropic's names: not part of its own `input_tokens`, but part of the `prompt_tokens` that litellm computes."""
CACHED: Sequence[tuple[str, ...]] = (
    ("prompt_tokens_details", "cached_tokens"),  # OpenAI, xAI
    ("input_tokens_details", "cached_tokens"),  # OpenAI's Responses
    ("cached_tokens",),  # Moonshot
    ("num_cached_tokens",),  # Mistral
    (HIT,),
    (READ,),
)
CACHE_WRITES: Sequence[tuple[str, ...]] = (
    (WRITTEN,),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("prompt_tokens_details", "cache_write_tokens"),
    ("input_tokens_details", "cache_write_tokens"),
)
PROMPT_COUNT, TOOL_PROMPT_COUNT, CANDIDATES_COUNT = "promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount"
THOUGHTS_COUNT, CACHED_COUNT, TOTAL_COUNT = "thoughtsTokenCount", "cachedContentTokenCount", "totalTokenCount"
"""Gemini's names. A count of 0 is left out there; thoughts stand beside the candidates, results of hosted tools beside the prompt."""
CACHE_WRITES_1H: Sequence[tuple[str, ...]] = (
    ("cache_creation", "ephemeral_1h_input_tokens"),
    ("prompt_tokens_details", "cache_creation_token_details", "ephemeral_1h_input_tokens"),
)
CACHE_WRITES_5M: Sequence[tuple[str, ...]] = tuple((*path[:-1], "ephemeral_5m_input_tokens") for path in CACHE_WRITES_1H)
SPLIT_WRITES = (CACHE_WRITES_5M, CACHE_WRITES_1H)
"""Anthropic's split of the cache writes by lifetime, in its own usage and as litellm writes it."""
TOOL_USES, USES_SUFFIX = "server_tool_use", "_requests"
"""Anthropic's uses of the tools that it runs itself: {"web_search_requests": 2}."""
REASONING: Sequence[tuple[str, ...]] = (("completion_tokens_details", "reasoning_tokens"), ("output_tokens_details", "reasoning_tokens"))


def reply_usage(reply: Mapping[str, Any]) -> TokenUsage | None:
    """Return the usage of a completion or chunk, wherever it is; None if missing or invalid."""
    if (found := parse_usage(reply.get("usage"))) is not None:
        return found
    if isinstance(groq := reply.get("x_groq"), dict) and (found := parse_usage(groq.get("usage"))) is not None:
        return found
    choices = reply.get("choices")
    for choice in choices if isinstance(choices, list) else ():  # Moonshot, and servers built after it
        if isinstance(choice, dict) and (found := parse_usage(choice.get("usage"))) is not None:
            return found
    return None


def tells(block: object, usage: TokenUsage) -> bool:
    """Tell whether OpenAI's clients read this usage in what a provider reported: the same counts, under the names that they know."""
    if not isinstance(block, Mapping):
        return False
    names = (("prompt_tokens",), ("completion_tokens",), ("total_tokens",), CACHED[0], REASONING[0])
    shown = [_at(block, name) or 0 for name in names]
    return shown == [usage.input, usage.output, usage.total, usage.cached_input, usage.reasoning]


def parse_usage(block: object, *, output: int | None = None) -> TokenUsage | None:
    """Parse one usage object. `output`: the default where it reports no output (0 for embeddings).

    Tokens of the total, or of reasoning, that the other parts don't account for are charged as output.
    """
    if not isinstance(block, dict):
        return None
    if PROMPT_COUNT in block:
        return _gemini(block)
    try:
        prompt, produced, total = (_first(block, names) for names in (PROMPT, OUTPUT, TOTAL))
    except ValueError:
        return None
    if prompt is None:
        prompt = _prompt_of_parts(block, total if output is not None else None)
    produced = output if produced is None and total is None else produced
    if prompt is None or (produced is None and (total is None or total < prompt)):
        return None
    prompt += _beside_prompt(block, prompt, produced or 0, total)
    produced = max(produced or 0, (total or 0) - prompt)
    reasoning = _largest(block, REASONING)
    if reasoning > produced:
        produced += reasoning
    if prompt == 0 and produced == 0:
        return None  # litellm's default when the provider sent none
    cached = min(_largest(block, CACHED), prompt)
    written = min(_largest(block, CACHE_WRITES), prompt - cached)
    return TokenUsage(
        input=prompt,
        output=produced,
        cached_input=cached,
        cache_write=written,
        cache_write_1h=_long_lived(block, written),
        tool_uses=_tool_uses(block),
        reasoning=reasoning,
    )


def _long_lived(block: Mapping[str, Any], written: int) -> int | None:
    """Return the part of the cache writes that lasts an hour; None if the usage doesn't tell, or what it tells can't be."""
    if written == 0:
        return None
    short, long = (next((_at(block, path) for path in paths if _at(block, path) is not None), None) for paths in SPLIT_WRITES)
    if short is None and long is None:
        return None
    told = _or_none(long if long is not None else 0), _or_none(short if short is not None else 0)
    return None if None in told or sum(each or 0 for each in told) < written else min(told[0] or 0, written)


def _tool_uses(block: Mapping[str, Any]) -> dict[str, int]:
    """Return the uses of tools that the vendor ran, by the name of the tool."""
    told = block.get(TOOL_USES)
    if not isinstance(told, Mapping):
        return {}
    counts = {str(name).removesuffix(USES_SUFFIX): _or_none(count) or 0 for name, count in told.items()}
    return {name: count for name, count in counts.items() if count}


def split_writes(found: TokenUsage) -> dict[str, int]:
    """Return the cache writes by lifetime, in Anthropic's words."""
    long = found.cache_write_1h or 0
    return {"ephemeral_5m_input_tokens": found.cache_write - long, "ephemeral_1h_input_tokens": long}


def anthropic_tool_uses(found: TokenUsage) -> dict[str, int]:
    """Return the uses of tools that the vendor ran, in Anthropic's words."""
    return {f"{name}{USES_SUFFIX}": count for name, count in found.tool_uses.items()}


def _gemini(block: Mapping[str, Any]) -> TokenUsage | None:
    """Parse Gemini's `usageMetadata`. Thoughts are output beside the candidates, unless the total shows that they are a part of them.

    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    given = {name: block.get(name) for name in (PROMPT_COUNT, TOOL_PROMPT_COUNT, CANDIDATES_COUNT, THOUGHTS_COUNT, TOTAL_COUNT)}
    try:
        counts = {name: None if value is None else _count(value) for name, value in given.items()}
    except ValueError:
        return None
    total, said, thought = counts[TOTAL_COUNT], counts[CANDIDATES_COUNT], counts[THOUGHTS_COUNT] or 0
    prompt = (counts[PROMPT_COUNT] or 0) + (counts[TOOL_PROMPT_COUNT] or 0)
    if said is None and not thought and (total is None or total < prompt):
        return None
    within = total is not None and total == prompt + (said or 0) and thought <= (said or 0)
    produced = max((said or 0) + (0 if within else thought), (total or 0) - prompt)
    if prompt == 0 and produced == 0:
        return None
    cached = min(_or_none(block.get(CACHED_COUNT)) or 0, prompt)
    return TokenUsage(input=prompt, output=produced, cached_input=cached, reasoning=thought)


def _prompt_of_parts(block: Mapping[str, Any], total: int | None) -> int | None:
    """Return the prompt's tokens from cache hits plus misses; else the total, if all of it is prompt (Voyage's embeddings)."""
    hit, miss = _or_none(block.get(HIT)), _or_none(block.get(MISS))
    return total if hit is None or miss is None else hit + miss


def _beside_prompt(block: Mapping[str, Any], prompt: int, produced: int, total: int | None) -> int:
    """Return Anthropic's cache tokens if the prompt's count excludes them, judged by its field names or by the sums."""
    parts = (_or_none(block.get(READ)) or 0) + (_or_none(block.get(WRITTEN)) or 0)
    own_names = block.get(PROMPT[0]) is None
    return parts if own_names or parts > prompt or total == prompt + produced + parts else 0


def _first(block: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """Return the first count given under these names. Raises ValueError if it is no count."""
    given = next((value for name in names if (value := block.get(name)) is not None), None)
    return None if given is None else _count(given)


def _largest(block: Mapping[str, Any], paths: Sequence[tuple[str, ...]]) -> int:
    """Return the largest of several counts for one thing: gateways fill unknown fields with 0."""
    return max((_or_none(_at(block, path)) or 0 for path in paths), default=0)


def _at(block: Mapping[str, Any], path: tuple[str, ...]) -> object:
    found: object = block
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _or_none(value: object) -> int | None:
    try:
        return _count(value)
    except ValueError:
        return None


def _count(value: object) -> int:
    """Parse a token count, also as 12.0 or "12". Raises ValueError for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= MAX_DIGITS else MAX_COUNT
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return min(value, MAX_COUNT)
    raise ValueError("not a token count")
