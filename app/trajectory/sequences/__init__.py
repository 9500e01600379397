"""Distances between sequences, behind one interface with bounds: of numbers by time warping, of symbols by common subsequence and edits.

Knows no session: what the numbers and symbols mean is its callers'.
"""

from app.trajectory.sequences.series import MAX_POINTS, thinned, warping_distance
from app.trajectory.sequences.symbols import MAX_SYMBOLS, CommonRun, common_length, common_ratios, common_runs, common_shares, edit_distance

__all__ = [
    "MAX_POINTS",
    "MAX_SYMBOLS",
    "CommonRun",
    "common_length",
    "common_ratios",
    "common_runs",
    "common_shares",
    "edit_distance",
    "thinned",
    "warping_distance",
]
