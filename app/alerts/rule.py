"""The fields that all alert rules have in common."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.redaction.labels import looks_like_a_secret


class NamedRule(BaseModel):
    """A section of the file of rules. `what`: a one-line description for people. `post`: whether the webhook gets its alerts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    what: str = Field(min_length=1, max_length=200)
    post: bool = True
    enabled: bool = True

    @model_validator(mode="after")
    def _without_secrets(self) -> Self:
        if looks_like_a_secret(self.what):
            raise ValueError("its description (what) looks like a secret, and descriptions are shown and posted: write it without that")
        return self
