"""Measures the load of the machine: CPU and memory within the container's limits (cgroup v2 or v1), else of the whole.

Files of the kernel's own, read without waiting. `root` and `proc`: where a test puts its own.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUPS, PROC = Path("/sys/fs/cgroup"), Path("/proc")
UNLIMITED = 2**60
"""cgroup v1 says "no limit" as a number near 2⁶³."""


@dataclass(frozen=True, slots=True)
class Use:
    """Shares are of what may be used; a process's CPU is in cores, since the look before."""

    cpu: float
    memory: float
    disk: float
    process_cpu: float
    process_memory: int


@dataclass(frozen=True, slots=True)
class MachineLimits:
    """The limits of a container. None: no limit of its own."""

    cores: float | None
    memory: int | None


class Machine:
    """`folder`: its disk is the one that counts."""

    def __init__(self, folder: Path, *, root: Path = CGROUPS, proc: Path = PROC) -> None:
        self._folder = folder
        self._groups = _groups(root, proc)
        self._process = psutil.Process()
        self._before = self._spent()

    @property
    def limits(self) -> MachineLimits:
        """Read the lowest limits of this process's group and of those around it. They may change while it runs."""
        cores = [found for group in self._groups if (found := _cores(group)) is not None]
        memory = [found for group in self._groups if (found := _memory_limit(group)) is not None]
        whole = float(psutil.cpu_count() or 1)
        most = psutil.virtual_memory().total
        least_cores, least_memory = min(cores, default=whole), min(memory, default=most)
        return MachineLimits(least_cores if least_cores < whole else None, least_memory if least_memory < most else None)

    def measure(self) -> Use:
        """Measure what is used: memory and disk now, CPU since the last call. Takes under a millisecond."""
        limits, now, before = self.limits, self._spent(), self._before
        self._before = now
        seconds = max(now.at - before.at, 1e-6)
        cores = limits.cores or float(psutil.cpu_count() or 1)
        used = now.group - before.group if limits.cores is not None else now.machine - before.machine
        return Use(
            cpu=min(1.0, max(0.0, used / seconds / cores)),
            memory=self._memory(limits),
            disk=_disk(self._folder),
            process_cpu=max(0.0, (now.process - before.process) / seconds),
            process_memory=self._process.memory_info().rss,
        )

    def _memory(self, limits: MachineLimits) -> float:
        if limits.memory is not None:
            for group in self._groups:
                if _memory_limit(group) == limits.memory and (used := _memory_used(group)) is not None:
                    return used / limits.memory
        whole = psutil.virtual_memory()
        return float(1 - whole.available / whole.total)

    def _spent(self) -> _Spent:
        own, machine = self._process.cpu_times(), psutil.cpu_times()
        group = next((found for each in self._groups if (found := _cpu_seconds(each)) is not None), 0.0)
        busy = float(sum(machine)) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        return _Spent(time.monotonic(), own.user + own.system, busy, group)


@dataclass(frozen=True, slots=True)
class _Spent:
    """Seconds of CPU: of this process, of all, of the group."""

    at: float
    process: float
    machine: float
    group: float


def _groups(root: Path, proc: Path) -> list[Path]:
    """Return the folders that hold this process's limits, the innermost first; of v1 each controller's own."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        tops = [root / name for name in controllers.split(",") if name in {"cpu", "cpuacct", "memory"}] if controllers else [root]
        for top in tops:
            inner = top / path.lstrip("/")
            # In a container the path may be the host's, and what counts lies at the top.
            found += [each for each in (inner, *inner.parents) if each == top or top in each.parents]
    return [each for each in dict.fromkeys(found) if each.is_dir()]


def _cores(group: Path) -> float | None:
    if (words := _read(group / "cpu.max").split()) and words[0] != "max":
        return int(words[0]) / int(words[1])
    quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _memory_limit(group: Path) -> int | None:
    words = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
    return int(words) if words and words != "max" and int(words) < UNLIMITED else None


def _memory_used(group: Path) -> int | None:
    """Return the bytes without what the kernel gives back when it is needed: files that were read."""
    words = _read(group / "memory.current") or _read(group / "memory.usage_in_bytes")
    if not words:
        return None
    stat = dict(line.split() for line in _read(group / "memory.stat").splitlines())
    return max(0, int(words) - int(stat.get("inactive_file", stat.get("total_inactive_file", 0))))


def _cpu_seconds(group: Path) -> float | None:
    stat = dict(line.split() for line in _read(group / "cpu.stat").splitlines())
    if "usage_usec" in stat:
        return int(stat["usage_usec"]) / 1e6
    words = _read(group / "cpuacct.usage")
    return int(words) / 1e9 if words else None


def _disk(folder: Path) -> float:
    """Return the share of the disk in use, of what this user may fill."""
    found = os.statvfs(folder)
    mine, taken = found.f_bavail, found.f_blocks - found.f_bfree
    return float(taken / (taken + mine)) if taken + mine else 0.0


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
