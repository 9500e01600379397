"""Read what a provider says a call used, in each dialect that is known. Pure: it knows no price.

What is no usage (a negative, a share of a token) is None: then Cairn's own count is charged. A number that no window holds is read as
`MAX_COUNT`: `allowance.py` disputes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.budget.prices import Usage

MAX_COUNT = 2**40
"""No call uses so many tokens: what is reported above it is read as this."""
MAX_DIGITS = 13
PROMPT, OUTPUT, TOTAL = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"), ("total_tokens",)
HIT, MISS = "prompt_cache_hit_tokens", "prompt_cache_miss_tokens"
"""DeepSeek's: the prompt is their sum."""
READ, WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"
"""Anthropic's: beside its own `input_tokens`, but within the `prompt_tokens` that litellm makes of them."""
CACHED: Sequence[tuple[str, ...]] = (
    ("prompt_tokens_details", "cached_tokens"),  # OpenAI, xAI, Gemini through litellm
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
REASONING: Sequence[tuple[str, ...]] = (("completion_tokens_details", "reasoning_tokens"), ("output_tokens_details", "reasoning_tokens"))


def reply_usage(reply: Mapping[str, Any]) -> Usage | None:
    """Find and read the usage of a completion or of a chunk, wherever it stands. None: there is none, or none that can be believed."""
    if (found := parse_usage(reply.get("usage"))) is not None:
        return found
    if isinstance(groq := reply.get("x_groq"), dict) and (found := parse_usage(groq.get("usage"))) is not None:
        return found
    choices = reply.get("choices")
    for choice in choices if isinstance(choices, list) else ():  # Moonshot, and servers built after it
        if isinstance(choice, dict) and (found := parse_usage(choice.get("usage"))) is not None:
            return found
    return None


def parse_usage(block: object, *, output: int | None = None) -> Usage | None:
    """Read one usage object. `output`: what is meant where it names no output: 0 for embeddings.

    What the total, or the reasoning tokens, hold beyond the other parts is charged as output.
    """
    if not isinstance(block, dict):
        return None
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
    if (reasoning := _largest(block, REASONING)) > produced:
        produced += reasoning
    if prompt == 0 and produced == 0:
        return None  # litellm's way of saying that none came
    cached = min(_largest(block, CACHED), prompt)
    return Usage(input=prompt, output=produced, cached_input=cached, cache_write=min(_largest(block, CACHE_WRITES), prompt - cached))


def _prompt_of_parts(block: Mapping[str, Any], total: int | None) -> int | None:
    """A prompt told only as what the cache had of it and what not; else the total, where all of it is prompt (Voyage's embeddings)."""
    hit, miss = _or_none(block.get(HIT)), _or_none(block.get(MISS))
    return total if hit is None or miss is None else hit + miss


def _beside_prompt(block: Mapping[str, Any], prompt: int, produced: int, total: int | None) -> int:
    """Anthropic's cache tokens where the prompt leaves them out: under its own names, or because the sums say so."""
    parts = (_or_none(block.get(READ)) or 0) + (_or_none(block.get(WRITTEN)) or 0)
    own_names = block.get(PROMPT[0]) is None
    return parts if own_names or parts > prompt or total == prompt + produced + parts else 0


def _first(block: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """The first that is given. ValueError where it is no count."""
    given = next((value for name in names if (value := block.get(name)) is not None), None)
    return None if given is None else _count(given)


def _largest(block: Mapping[str, Any], paths: Sequence[tuple[str, ...]]) -> int:
    """Of one number under several names: a gateway fills those that it doesn't know with 0."""
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
    """A number of tokens: whole, also as 12.0 or "12". ValueError for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= MAX_DIGITS else MAX_COUNT
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return min(value, MAX_COUNT)
    raise ValueError("no count of tokens")
