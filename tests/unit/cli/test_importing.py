"""The garbage collector is paused while modules are imported, and only then."""

from __future__ import annotations

import gc

import pytest

from app.cli.importing import collector_paused


@pytest.fixture(autouse=True)
def thawed() -> object:
    """Leave no frozen objects to other tests."""
    yield
    gc.unfreeze()


def test_nothing_is_collected_meanwhile_and_what_was_made_is_not_looked_at_later() -> None:
    gc.unfreeze()
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_it_runs_again_after_an_import_that_failed() -> None:
    with pytest.raises(ImportError), collector_paused():
        raise ImportError
    assert gc.isenabled()
