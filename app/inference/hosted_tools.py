"""Tools that a vendor runs itself, each use at a price: which there are, and how many uses a request allows. Pure; knows no price.

A use brings its result into the prompt, which the vendor then bills again: see `token_bounds.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.errors import InvalidInput
from app.inference.conversation import Conversation, DialectName, HostedTool

VERSION: Final = re.compile(r"_\d{8}$")
"""The end of a tool's type, behind its name: web_search_20250305."""
AT_CALLERS: Final[Mapping[DialectName, frozenset[str]]] = {"messages": frozenset({"bash", "computer", "memory", "text_editor"})}
"""By dialect: tools that the vendor defines and the caller runs, so that they cost nothing but tokens."""
LIMITED: Final[Mapping[DialectName, frozenset[str]]] = {"messages": frozenset({"web_search", "web_fetch"})}
"""By dialect: tools whose uses a request can limit (`max_uses`)."""
CONTAINED: Final[Mapping[DialectName, frozenset[str]]] = {"messages": frozenset({"code_execution"})}
"""By dialect: tools that are billed for the time of a request's one container, however often they are used, and not told in the usage."""
MAX_ROUNDS: Final = 10
"""Times that the vendor reads the prompt again within one request, at most: it pauses the turn then."""
MAX_USES: Final = "max_uses"
NONE: Final[frozenset[str]] = frozenset()


def name_of(tool: HostedTool) -> str:
    """Return the name by which a tool is priced and its uses are told."""
    return VERSION.sub("", tool.type)


def runs_at_caller(tool: HostedTool) -> bool:
    """Tell whether the caller itself runs a tool that the vendor defines."""
    return name_of(tool) in AT_CALLERS.get(tool.dialect, NONE)


def is_contained(tool: HostedTool) -> bool:
    """Tell whether a tool is billed for its container, once a request."""
    return name_of(tool) in CONTAINED.get(tool.dialect, NONE)


def is_bounded(tool: HostedTool) -> bool:
    """Tell whether what a tool may cost within one request is bounded by the request."""
    limited = name_of(tool) in LIMITED.get(tool.dialect, NONE)
    return runs_at_caller(tool) or is_contained(tool) or (limited and isinstance(tool.data.get(MAX_USES), int))


def defined_by_vendor(conversation: Conversation | None) -> list[HostedTool]:
    """Return the tools of a conversation that the vendor defines, whoever runs them."""
    return [] if conversation is None else [tool for tool in conversation.tools if isinstance(tool, HostedTool)]


def hosted_tools(conversation: Conversation | None) -> list[HostedTool]:
    """Return the tools that the vendor also runs, of a conversation whose tools are bounded: see `is_bounded`."""
    return [tool for tool in defined_by_vendor(conversation) if not runs_at_caller(tool)]


def uses_of(tools: Sequence[HostedTool]) -> dict[str, int]:
    """Return the most uses of each tool, by name."""
    found: dict[str, int] = {}
    for tool in tools:
        found[name_of(tool)] = found.get(name_of(tool), 0) + (1 if is_contained(tool) else int(tool.data.get(MAX_USES, 0)))
    return found


def rounds_of(tools: Sequence[HostedTool]) -> int:
    """Return how often the vendor may read the prompt again: once after each use, and once more where a use is refused."""
    if any(map(is_contained, tools)):
        return MAX_ROUNDS
    return min(sum(uses_of(tools).values()) + 1, MAX_ROUNDS) if tools else 0


def bounded_tools(tools: Sequence[Any], *, uses: int) -> list[Any]:
    """Return the tools of a request in Messages with a limit on the uses of those that the vendor runs: `uses`, where there is none.

    What needs no change is the same object. Raises InvalidInput for a limit that is no count.
    """
    return [_bounded(place, tool, uses) for place, tool in enumerate(tools)]


def _bounded(place: int, tool: Any, uses: int) -> Any:
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    if not isinstance(kind, str) or VERSION.sub("", kind) not in LIMITED["messages"]:
        return tool
    given = tool.get(MAX_USES)
    if given is None:
        return {**tool, MAX_USES: uses}
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        where = f"tools[{place}].{MAX_USES}"
        raise InvalidInput(f"{where} must be a whole number, at least 1: it limits the cost of the call.", param=where)
    return tool
