"""A blocked import looks not installed within its block, and to its own thread alone."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.inference.import_blocking import import_blocked

LIBRARY = "this"
"""A module of the standard library that nothing else imports."""


@pytest.fixture(autouse=True)
def not_imported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, LIBRARY, raising=False)


def test_a_blocked_library_is_not_found_within_the_block_and_found_after_it() -> None:
    before = list(sys.meta_path)
    with import_blocked(LIBRARY), pytest.raises(ModuleNotFoundError, match="'this'"):
        importlib.import_module(LIBRARY)
    assert sys.meta_path == before
    assert LIBRARY not in sys.modules
    assert importlib.import_module(LIBRARY).__name__ == LIBRARY


def test_other_threads_import_a_blocked_library_meanwhile() -> None:
    with import_blocked(LIBRARY), ThreadPoolExecutor(1) as other:
        assert other.submit(importlib.import_module, LIBRARY).result().__name__ == LIBRARY


def test_other_libraries_and_one_that_is_imported_already_are_not_blocked() -> None:
    with import_blocked("json"):
        assert importlib.import_module("json").__name__ == "json"
        assert importlib.import_module(LIBRARY).__name__ == LIBRARY


def test_an_error_within_the_block_ends_it() -> None:
    with pytest.raises(ZeroDivisionError), import_blocked(LIBRARY):
        1 / 0  # noqa: B018 - only its error matters
    assert importlib.import_module(LIBRARY).__name__ == LIBRARY
