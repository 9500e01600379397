"""Facts of Claude's versions, by the model's name: their interface lost parts from one to the next. Pure.

https://platform.claude.com/docs/en/about-claude/models/migration-guide
"""

from __future__ import annotations

import re

_NAME = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
ADAPTIVE, UNSAMPLED = (4, 6), (4, 7)
"""The first versions that decide by themselves how long they think and continue no answer (4.6), and that refuse a temperature (4.7)."""


def version_of(model: str) -> tuple[int, int] | None:
    """Return the version that a model's name tells; None if it is no Claude model's."""
    found = _NAME.search(model)
    return None if found is None else (int(found[1]), int(found[2] or 0))


def takes_effort(model: str) -> bool:
    """Tell whether a model takes an effort of thinking. Earlier ones take a number of tokens; of others than Claude it isn't known."""
    version = version_of(model)
    return version is not None and version >= ADAPTIVE


def takes_prefill(model: str) -> bool:
    """Tell whether a model continues the beginning of its answer, as far as is known."""
    return not takes_effort(model)


def takes_sampling(model: str) -> bool:
    """Tell whether a model takes `temperature`, `top_p` and `top_k`, as far as is known."""
    version = version_of(model)
    return version is None or version < UNSAMPLED
