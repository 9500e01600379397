"""Rules about policies that sessions broke: of which severities and policies people are told. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.alerts.rule import NamedRule
from app.trajectory.policies import PolicySeverity

PolicyId = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,63}$")]


class PolicyRule(NamedRule):
    """A rule about policies that were broken. `severities`: as the session's project has set them. `policies`: only these; empty: all."""

    policy: Literal["broken"]
    severities: tuple[PolicySeverity, ...] = Field(("alert",), min_length=1)
    policies: tuple[PolicyId, ...] = Field((), max_length=100)

    def applies(self, policy: str, severity: PolicySeverity) -> bool:
        """Tell whether it is about a policy of this id that has this severity."""
        return severity in self.severities and (not self.policies or policy in self.policies)
