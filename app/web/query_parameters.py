"""Refuses query parameters that a route doesn't declare, or that are sent twice: else a misspelt filter would be ignored in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.types import Scope

from app.errors import InvalidInput

MAX_SHOWN_CHARS = 100


class DeclaredQuery:
    """The query parameters that a route declares, those of its dependencies among them."""

    def __init__(self, dependant: Dependant) -> None:
        self._repeatable: Mapping[str, bool] = dict(_declared(dependant))

    def check(self, scope: Scope) -> None:
        """Raise InvalidInput for a parameter that isn't declared, or that was sent twice and takes one value."""
        raw = scope["query_string"]
        if not raw:
            return
        given = Counter(name for name, _ in parse_qsl(raw.decode("latin-1"), keep_blank_values=True))
        for name, times in given.items():
            if name not in self._repeatable:
                raise InvalidInput(self._unknown(name[:MAX_SHOWN_CHARS]), param=name[:MAX_SHOWN_CHARS])
            if times > 1 and not self._repeatable[name]:
                raise InvalidInput(f"{name} was sent {times} times in the query: send it once.", param=name)

    def _unknown(self, name: str) -> str:
        refusal = f"{name} is not a query parameter of this route"
        near = get_close_matches(name.lower().replace("-", "_"), self._repeatable, n=1)
        if near:
            return f"{refusal}: did you mean {near[0]}?"
        takes = f"it takes {', '.join(sorted(self._repeatable))}" if self._repeatable else "it takes none"
        return f"{refusal}: leave it out; {takes}."


def _declared(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield each parameter's name, and whether it takes several values."""
    for each in dependant.query_params:
        kind = each.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):  # its fields are the parameters
            yield from ((name, _takes_several(field.annotation)) for name, field in kind.model_fields.items())
        else:
            yield each.alias, _takes_several(kind)
    for inner in dependant.dependencies:
        yield from _declared(inner)


def _takes_several(annotation: Any) -> bool:
    if get_origin(annotation) in {list, tuple, set, frozenset}:
        return True
    return any(_takes_several(each) for each in get_args(annotation))
