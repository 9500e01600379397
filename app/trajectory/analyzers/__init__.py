"""Watches a session step by step: its activity, its health, its loops, and how its calls recur. Each analyzer is fed once; pure."""

from app.trajectory.analyzers.analyzer import Analyzer, FindingKind, SessionFinding, Snapshot

__all__ = ["Analyzer", "FindingKind", "SessionFinding", "Snapshot"]
