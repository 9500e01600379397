"""The limit of open files: raised, and shared out."""

from __future__ import annotations

import resource

import pytest
from pydantic import SecretStr

from app.cli import descriptors
from app.errors import ConfigurationError
from app.settings import RedisSettings, Settings


def test_the_soft_limit_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"soft": 256, "hard": 4096}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits["soft"], limits["hard"]))
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: limits.update(soft=given[0], hard=given[1]))
    assert descriptors.raise_limit() == 4096
    assert limits == {"soft": 4096, "hard": 4096}


def test_a_system_that_refuses_its_own_hard_limit_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert descriptors.raise_limit() == 256


def test_no_limit_at_all_is_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert descriptors.max_connections(Settings(), descriptors.limit()) == Settings().server.max_connections


def test_files_are_left_for_the_database_redis_and_a_provider_for_each_caller() -> None:
    assert descriptors.max_connections(Settings(), 1024) == (1024 - 64 - 50) // 2
    with_redis = Settings(redis=RedisSettings(url=SecretStr("redis://x"), connections=50))
    assert descriptors.max_connections(with_redis, 1024) == (1024 - 64 - 50 - 50) // 2


def test_a_limit_that_leaves_next_to_nothing_is_said_with_what_to_do() -> None:
    with pytest.raises(
        ConfigurationError, match=r"The limit of open files is 128, of which Cairn needs 114 itself: raise it \(ulimit -n 4096"
    ):
        descriptors.max_connections(Settings(), 128)
