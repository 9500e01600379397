"""The section of checks against the code: the repositories that workers can read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from app.settings.sections import Section

MIN_SECRET_BYTES = 16


def _check_paths(value: dict[str, Path]) -> dict[str, Path]:
    for project, path in value.items():
        if not path.is_absolute():
            raise ValueError(f"the path of {project!r} must be absolute: a worker has a folder of its own to start in")
    return value


def _check_secret(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"must be at least {MIN_SECRET_BYTES} bytes long")
    return value


class FreshnessSettings(Section):
    repositories: Annotated[dict[str, Path], AfterValidator(_check_paths)] = Field(
        {},
        description=(
            "folders of git repositories on the workers' machines, by project (`TEAM:PROJECT` for another team than `default`): the "
            "project's items are checked against them"
        ),
    )
    minutes: float = Field(30, ge=1, description="minutes between two checks of a repository")
    webhook_secret: Annotated[SecretStr | None, AfterValidator(_check_secret)] = Field(
        None, description="secret with which a git host signs `POST /v1/webhooks/git`; none: the webhook is off"
    )
