"""Rules over a session's time: formulas of linear temporal logic over finite traces, watched step by step.

Knows steps and what their predicates say of them. Knows nothing of how a finding is shown, and blocks nothing.
"""

from app.trajectory.policies.projects import ProjectPolicies
from app.trajectory.policies.views import (
    MAX_OWN,
    NUDGED,
    CheckedPolicy,
    GivenPolicies,
    PolicyDefinition,
    PolicyInSession,
    PolicyOrigin,
    PolicySeverity,
    PolicyStanding,
    PolicySwitch,
    PolicyVerdict,
    ShownPolicies,
    Unit,
    in_session,
)

__all__ = [
    "MAX_OWN",
    "NUDGED",
    "CheckedPolicy",
    "GivenPolicies",
    "PolicyDefinition",
    "PolicyInSession",
    "PolicyOrigin",
    "PolicySeverity",
    "PolicyStanding",
    "PolicySwitch",
    "PolicyVerdict",
    "ProjectPolicies",
    "ShownPolicies",
    "Unit",
    "in_session",
]
