"""Tests that start many processes: one module of them at a time, and spread over the run.

Side by side they starve each other on a small machine, and a timeout that is fair otherwise ends what only waits for a processor.
`pytest_plugins` in `conftest.py` names this file.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

import pytest

MARK = "slow"


@pytest.fixture(scope="module", autouse=True)
def one_heavy_module_at_a_time(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Among the workers of a run: xdist's folders lie in one folder of the run."""
    if not _heavy(request.node):
        yield
        return
    base = tmp_path_factory.getbasetemp()
    place = base.parent if hasattr(request.config, "workerinput") else base
    with (place / "heavy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The heavy modules at even distances among the others, in the same order for every worker."""
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.split("::", 1)[0], []).append(item)
    heavy = [name for name, tests in modules.items() if any(_heavy(test) for test in tests)]
    order = [name for name in modules if name not in set(heavy)]
    for place, name in enumerate(heavy):
        order.insert(place + place * (len(modules) - len(heavy)) // len(heavy), name)
    items[:] = [item for name in order for item in modules[name]]


def _heavy(node: pytest.Item | pytest.Collector) -> bool:
    return node.get_closest_marker(MARK) is not None
