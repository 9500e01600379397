"""The analysis of sessions as a projection of the journal: what the analyzers told, exchange by exchange, stored and read back."""

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

__all__ = [
    "TROUBLE",
    "WEEKS",
    "AnalysisQueries",
    "ExchangeOutcome",
    "FindingKey",
    "FindingKind",
    "FollowedFindings",
    "NotedViolation",
    "PolicyViolations",
    "SessionExchange",
    "ShownAnalysis",
    "StepStrip",
    "StretchReading",
    "ToldFinding",
    "TroubleWeek",
    "Verdict",
    "parse_finding_position",
    "read_stretch",
]
