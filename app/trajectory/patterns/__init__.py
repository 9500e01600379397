"""Pattern memory: troubles of sessions with what followed them, merged where they are alike, counted and aged; found again when one begins."""

from app.trajectory.patterns.endings import TroubleOutcome
from app.trajectory.patterns.merging import OutcomeCount, TroubleOccurrence
from app.trajectory.patterns.reader import MIN_SESSIONS, TROUBLE_KINDS, PatternReader, RecurringTrouble, ShownPattern
from app.trajectory.patterns.wording import OUTCOME_WORDS

__all__ = [
    "MIN_SESSIONS",
    "OUTCOME_WORDS",
    "TROUBLE_KINDS",
    "OutcomeCount",
    "PatternReader",
    "RecurringTrouble",
    "ShownPattern",
    "TroubleOccurrence",
    "TroubleOutcome",
]
