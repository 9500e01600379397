"""OpenAI's effort that stands nearest to any permission to think. Pure."""

from __future__ import annotations

from app.inference.conversation import Reasoning

EFFORT_BUDGETS = ((1024, "low"), (2048, "medium"))
"""Thinking tokens up to which an effort stands for a budget; "high" beyond. As litellm grants them: see `profiles.THINKING_TOKENS`."""
ADAPTIVE_EFFORT = "medium"
"""The effort that stands for "as much as you see fit"."""
NO_EFFORT = "none"


def effort_of(reasoning: Reasoning) -> str | None:
    """Return the effort; None for the provider's default."""
    if not reasoning.enabled:
        return NO_EFFORT if reasoning.effort == NO_EFFORT else None
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.budget_tokens is None:
        return ADAPTIVE_EFFORT if reasoning.adaptive else None
    return next((effort for most, effort in EFFORT_BUDGETS if reasoning.budget_tokens <= most), "high")
