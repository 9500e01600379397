"""The fields that every rule has, whatever it watches."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.redaction.labels import looks_like_a_secret


class NamedRule(BaseModel):
    """A section of the rules' file. `what`: in a line, for people. `post`: also to the webhook."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    what: str = Field(min_length=1, max_length=200)
    post: bool = True
    enabled: bool = True

    @model_validator(mode="after")
    def _without_secrets(self) -> Self:
        if looks_like_a_secret(self.what):
            raise ValueError("what looks like a secret, and is shown and posted: describe the rule without it")
        return self
