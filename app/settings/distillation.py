"""The section of distillation: which model words items, how much it is shown, and what a team may spend on it."""

from __future__ import annotations

from pydantic import Field

from app.settings.sections import Section


class DistillationSettings(Section):
    enabled: bool = Field(
        False,
        description=(
            "let a model distil items from ended sessions, beside those that are extracted without one; the dialogue of every team's "
            "sessions is then sent to the providers"
        ),
    )
    model: str = Field("auto", min_length=1, max_length=200, description="the model: `auto`, a profile or a provider's model")
    batch_tokens: int = Field(4000, ge=200, le=50_000, description="tokens of dialogue that one call shows the model")
    max_output_tokens: int = Field(1500, ge=100, le=16_000, description="maximum length in tokens of one reply; a longer one is unreadable")
    monthly_limit_usd: float = Field(
        5.0,
        gt=0,
        description=(
            "monthly limit of the developer `distiller` (`distiller-TEAM` in another team than `default`), who is made when a team's first "
            "session is distilled; changed afterwards like any developer's limit"
        ),
    )
