"""Blocks the import of a library that another one would bring along and can do without. Knows neither of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from threading import get_ident
from types import ModuleType


@contextmanager
def import_blocked(name: str) -> Iterator[None]:
    """Let imports within the block find this library as if it were not installed. It stays importable to every other thread.

    No effect on one that is imported already.
    """
    finder = _BlockingFinder(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _BlockingFinder(MetaPathFinder):
    """Refuses a library to the thread that made it; finds nothing else."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread = get_ident()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Refuse the library; leave every other module to the finders after this one."""
        del path, target
        if fullname == self._name and get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}: its import is blocked here.", name=fullname)
        return None
