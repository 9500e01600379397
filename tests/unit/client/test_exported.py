"""What the client returns can be imported from it by name: for an annotation, or a match."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import pytest

import cairn.client
from cairn.client.records import assistance, budget, knowledge, review, sessions

UNWRAPPED = {"Accepted", "CallTotals", "Captures", "History", "Models"}
"""Replies of which a method returns a field, and a base class."""


@pytest.mark.parametrize("module", [assistance, budget, knowledge, review, sessions], ids=lambda each: each.__name__)
def test_every_record_is_exported(module: ModuleType) -> None:
    records = {name for name, each in vars(module).items() if dataclasses.is_dataclass(each) and each.__module__ == module.__name__}
    assert records - set(cairn.client.__all__) <= UNWRAPPED
