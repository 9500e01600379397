"""The maker of a thought's signature: each vendor takes back only its own, and refuses a request with another's. Pure.

Callers keep a signature without looking into it, so Gemini's carry their maker's name. One without a name is Anthropic's.
"""

from __future__ import annotations

from app.inference.conversation import Thinking

GEMINI = "gemini:"
"""The beginning of Gemini's signatures, as callers keep them."""


def of_gemini(signature: str) -> str:
    """Return a signature of Gemini's as callers keep it."""
    return GEMINI + signature


def gemini_signature(thought: Thinking) -> str | None:
    """Return the signature as Gemini gave it; None for a thought that Gemini didn't sign."""
    found = thought.signature or ""
    return found.removeprefix(GEMINI) if found.startswith(GEMINI) and len(found) > len(GEMINI) else None
