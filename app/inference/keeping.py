"""What may be kept of what was answered: whole, said by the model itself to its end, and without a secret."""

from __future__ import annotations

import asyncio

import msgspec

from app.inference.stored import Stored
from app.redaction import suspicious

MOST_CHECKED_CHARS = 65_536
"""A longer answer isn't looked through for secrets on the way, so it isn't kept."""
FINISHES = frozenset({"stop", "length"})
STEP_CHARS = 8_192
REACH_CHARS = 16_384
"""No rule of redaction reads further from where it begins to decide that there is a secret (the longest: a JWT)."""


async def keepable(found: Stored) -> bool:
    """A long text is looked through piece by piece, so that others have their turn: 25,000 characters take about 0.5 ms."""
    choices = msgspec.json.decode(found.body).get("choices") or []
    texts = [choice["message"].get("content") for choice in choices]
    if not all(isinstance(text, str) and text and len(text) <= MOST_CHECKED_CHARS for text in texts):
        return False
    if any(choice.get("finish_reason") not in FINISHES or choice["message"].get("tool_calls") for choice in choices):
        return False
    for text in texts:
        if await holds_secret(text):
            return False
    return bool(texts)


async def holds_secret(text: str) -> bool:
    """In pieces that overlap by more than a secret's length: what is found in the whole is found in one of them."""
    if suspicious(text[: STEP_CHARS + REACH_CHARS]):
        return True
    for start in range(STEP_CHARS, len(text) - REACH_CHARS, STEP_CHARS):
        await asyncio.sleep(0)
        if suspicious(text[start : start + STEP_CHARS + REACH_CHARS]):
            return True
    return False
