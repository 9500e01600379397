"""Rules over a session's time: formulas of linear temporal logic over finite traces, watched step by step.

Knows steps and what their predicates say of them. Knows nothing of how a finding is shown, and blocks nothing.
"""

from app.trajectory.policies.views import (
    MAX_OWN,
    CheckedPolicy,
    GivenPolicies,
    PolicyOrigin,
    PolicySeverity,
    PolicySwitch,
    PolicyVerdict,
    ShownPolicies,
    Unit,
)

__all__ = [
    "MAX_OWN",
    "CheckedPolicy",
    "GivenPolicies",
    "PolicyOrigin",
    "PolicySeverity",
    "PolicySwitch",
    "PolicyVerdict",
    "ShownPolicies",
    "Unit",
]
