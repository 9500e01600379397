"""The analysis of sessions as a projection of the journal: what the analyzers told, exchange by exchange, stored and read back.

With the intents of prompts where they are read along: an exchange has its prompt's.
"""

from app.trajectory.analysis.exchanges import ExchangeOutcome, SessionExchange, Verdict
from app.trajectory.analysis.findings import FindingKey, ToldFinding
from app.trajectory.analysis.following import FollowedFindings, parse_finding_position
from app.trajectory.analysis.queries import AnalysisQueries
from app.trajectory.analysis.reader import ShownAnalysis
from app.trajectory.analysis.stretch import StretchReading, read_stretch
from app.trajectory.analysis.strips import StepStrip
from app.trajectory.analysis.trouble import TROUBLE, WEEKS, TroubleWeek
from app.trajectory.analysis.violations import NotedViolation, PolicyViolations
from app.trajectory.analyzers.analyzer import FindingKind
from app.trajectory.intent.following import FollowedIntents, parse_intent_position
from app.trajectory.intent.labels import LabelFollower, intent_at

__all__ = [
    "TROUBLE",
    "WEEKS",
    "AnalysisQueries",
    "ExchangeOutcome",
    "FindingKey",
    "FindingKind",
    "FollowedFindings",
    "FollowedIntents",
    "LabelFollower",
    "NotedViolation",
    "PolicyViolations",
    "SessionExchange",
    "ShownAnalysis",
    "StepStrip",
    "StretchReading",
    "ToldFinding",
    "TroubleWeek",
    "Verdict",
    "intent_at",
    "parse_finding_position",
    "parse_intent_position",
    "read_stretch",
]
