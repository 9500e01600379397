"""Gemini's permission to think, as each generation takes it, and who demands signatures back. Pure: judged by the model's name.

Up to 2.5 thinking has a budget in tokens, from 3 on a level: https://ai.google.dev/gemini-api/docs/generate-content/thinking
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from app.inference.conversation import Reasoning
from app.inference.dialects.efforts import NO_EFFORT, effort_of

OLDER: Final = re.compile(r"gemini-[12](?:\.|-|$)|gemma|learnlm")
"""Models before Gemini 3. Any other name, such as `gemini-flash-latest`, is of the newest."""
DUMMY_SIGNATURE: Final = "skip_thought_signature_validator"
"""Documented for calls that another model made: https://ai.google.dev/gemini-api/docs/thought-signatures#faqs"""
BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16_384}
"""Tokens that an effort grants, the same as for other vendors: see `parameters.THINKING_TOKENS`."""
RANGES: Final[tuple[tuple[str, int, int], ...]] = (("pro", 128, 32_768), ("flash-lite", 512, 24_576), ("flash", 1, 24_576))
"""By a part of the name: the least and most thinking tokens that a model takes. Only those of "pro" can't be told not to think."""
LEVELS: Final[Mapping[str, str]] = {"minimal": "minimal", "low": "low", "medium": "medium"}


def is_newer(model: str) -> bool:
    """Tell whether a model is of Gemini 3 or later: it demands its calls' signatures back, and takes no penalties."""
    return OLDER.search(model.lower()) is None


def thinking_config(reasoning: Reasoning | None, model: str) -> dict[str, Any] | None:
    """Return `thinkingConfig`; None for the model's default."""
    if reasoning is None:
        return None
    effort = effort_of(reasoning)
    silent = not reasoning.enabled or effort == NO_EFFORT
    if is_newer(model):
        level = _level(NO_EFFORT if silent else effort, model.lower())
        return {"includeThoughts": not silent} if level is None else {"thinkingLevel": level, "includeThoughts": not silent}
    budget = _budget(reasoning, None if silent else effort, model.lower(), silent=silent)
    return {"includeThoughts": not silent} if budget is None else {"thinkingBudget": budget, "includeThoughts": not silent}


def _level(effort: str | None, model: str) -> str | None:
    """Return the level of an effort: "minimal" is of flash models alone, and 3 Pro has no "medium"."""
    if effort is None:
        return None
    level = "minimal" if effort == NO_EFFORT else LEVELS.get(effort, "high")
    if level == "minimal" and "flash" not in model:
        return "low"
    return "high" if level == "medium" and "gemini-3-pro" in model else level


def _budget(reasoning: Reasoning, effort: str | None, model: str, *, silent: bool) -> int | None:
    least, most = next(((least, most) for name, least, most in RANGES if name in model), (1, 24_576))
    if silent:
        return least if "pro" in model else 0
    wanted = reasoning.budget_tokens if reasoning.budget_tokens is not None else BUDGETS.get(effort or "")
    return None if wanted is None else max(least, min(wanted, most))
