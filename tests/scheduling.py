"""Shares the tests out among the workers of a run: what starts much starts once, and not beside its like.

Tests that start many processes, one module of them at a time, are spread over the run: side by side they starve each other on a small
machine, and a timeout that is fair otherwise ends what only waits for a processor. `pytest_plugins` in `conftest.py` names this file.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

MARK = "slow"
ONE_WORKER = ("tests/integration/dashboard/",)
"""Folders whose modules share an application that takes long to fill: all of them run in one worker."""


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives a worker a whole module, or a whole folder of ONE_WORKER."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_folder(nodeid) or str(super()._split_scope(nodeid))


def shared_folder(nodeid: str) -> str | None:
    """Return the folder of ONE_WORKER that a test stands in, if any."""
    return next((folder for folder in ONE_WORKER if nodeid.startswith(folder)), None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderScheduling | None:
    """Schedule by module and folder where a run asks for `--dist loadscope`."""
    return FolderScheduling(config, log) if config.getoption("dist") == "loadscope" else None


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
