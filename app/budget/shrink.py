"""Shrinks a call near the limit (`budget.shrink`): the same prompt with as many output tokens as are affordable. Pure."""

from __future__ import annotations

from dataclasses import replace

from app.budget.holds import Estimate, estimate_cost
from app.budget.prices import MTOK, Price


def shrink(
    estimate: Estimate, *, price: Price, min_tokens: int, affordable_nanousd: int | None = None, affordable_tokens: int | None = None
) -> Estimate | None:
    """Lower `max_tokens` to what is affordable; None if that is below `min_tokens` (of each choice)."""
    bounds = estimate.bounds
    output = bounds.max_tokens
    if affordable_tokens is not None:
        output = min(output, (affordable_tokens - bounds.billed_input_tokens) // bounds.choices - bounds.reasoning_tokens)
    if affordable_nanousd is not None:
        left = affordable_nanousd - price.worst_case(replace(bounds, max_tokens=0, reasoning_tokens=0))
        if left < 0:
            return None
        if (output_price := price.for_prompt(bounds.billed_input_tokens).output) > 0:
            output = min(output, left * MTOK // (output_price * bounds.choices) - bounds.reasoning_tokens)
    if output < min_tokens:
        return None
    return estimate_cost(replace(bounds, max_tokens=output), price)
