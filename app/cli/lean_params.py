"""Takes options and arguments that need no conversion as they are.

Typer converts each with pydantic, absent ones and plain texts too: importing that takes longer than a warm query. Anything else goes
Typer's way; so does all where a later Typer has no such place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PLACE = "_runtime_param"


def make_lean(parameters: Iterable[Any]) -> None:
    """Let a command's parameters be converted only where they need it."""
    for parameter in parameters:
        if hasattr(parameter, PLACE) and hasattr(parameter, "type_descriptor"):
            setattr(parameter, PLACE, LeanParameter(parameter))


@dataclass(frozen=True, slots=True)
class LeanParameter:
    """Converts the value of one parameter."""

    parameter: Any

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a text, an absent value or our own number or truth as it is; let Typer convert the rest. Raises Click's BadParameter."""
        described = self.parameter.type_descriptor
        several = param.multiple or param.nargs == -1
        if param.multiple and value is None:
            return ()  # as Typer does
        if not several and (value is None or self._is_plain(value, described.annotation, param)):
            return value
        from typer._coercion import build_runtime_param

        return build_runtime_param(described).coerce(value, param=param, ctx=ctx)

    @staticmethod
    def _is_plain(value: Any, annotation: Any, param: Any) -> bool:
        if isinstance(value, str):
            return annotation is str
        return isinstance(value, (bool, int, float)) and value is param.default
