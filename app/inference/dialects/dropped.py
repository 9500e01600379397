"""The names of what a conversation holds and a dialect can't say, for `x-cairn-dropped`."""

from __future__ import annotations


class Dropped:
    """Collects names, each once, in the order of their first loss. Dots separate a name's parts ("cache_control.ttl")."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        self._names[name] = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)
