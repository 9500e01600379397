"""The field that says when a key or an invitation expires; accounts read it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.api.schema import Plain

Expires = Annotated[
    Plain,
    Field(
        max_length=64,
        description=(
            "A duration such as `12h`, `90d` or `4w`; a date such as `2027-01-31` (the end of that day in UTC); or a time in ISO 8601."
        ),
        examples=["90d"],
    ),
]
