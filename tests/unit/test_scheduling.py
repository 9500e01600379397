"""A run's workers share the tests by module, and by folder where an application takes long to fill."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.scheduling import ONE_WORKER, shared_folder


@pytest.mark.parametrize(
    ("test", "folder"),
    [
        ("tests/integration/api/test_door.py::test_it", None),
        ("tests/integration/dashboard/test_items.py::test_it", "tests/integration/dashboard/"),
        ("tests/integration/dashboard/test_money.py::test_it[/dashboard/team]", "tests/integration/dashboard/"),
    ],
)
def test_the_modules_of_a_folder_that_shares_much_go_to_one_worker(test: str, folder: str | None) -> None:
    assert shared_folder(test) == folder


def test_the_folders_that_go_to_one_worker_exist() -> None:
    assert all((ROOT / folder).is_dir() for folder in ONE_WORKER)
