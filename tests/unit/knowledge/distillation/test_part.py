"""Distillation is registered only where it is enabled, and refuses to start with a model that nobody configured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.knowledge.distillation.part import open_distillation
from app.knowledge.distillation.projection import DistillationProjection
from app.sessions.projections import Projections
from app.settings import DistillationSettings, Settings


def require_configured(model: str, *, setting: str) -> None:
    if model != "auto":
        raise ConfigurationError(f"{setting} is {model!r}")


def rooms(projections: Projections) -> Any:
    inference = SimpleNamespace(engine=None, catalog=SimpleNamespace(require_configured=require_configured))
    return {"database": None, "accounts": None, "journal": None, "projections": projections, "knowledge": SimpleNamespace(distilled=None), "inference": inference}  # fmt: skip


async def test_it_is_off_by_default() -> None:
    projections = Projections()
    async with open_distillation(Settings(), **rooms(projections)) as (made, _):
        assert (made, projections.deferred) == (None, {})


async def test_enabled_it_is_registered_as_a_projection_that_no_upload_waits_for() -> None:
    projections = Projections()
    async with open_distillation(Settings(distillation=DistillationSettings(enabled=True)), **rooms(projections)) as (made, _):
        assert isinstance(made, DistillationProjection)
        assert (list(projections.deferred.values()), list(projections)) == ([made], [])


async def test_an_unknown_model_is_refused_at_the_start() -> None:
    settings = Settings(distillation=DistillationSettings(enabled=True, model="nobody-1"))
    with pytest.raises(ConfigurationError, match="is 'nobody-1'"):
        async with open_distillation(settings, **rooms(Projections())):
            pass
