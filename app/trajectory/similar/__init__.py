"""Finds sessions like one: by their shape over time and by the phases that they share, with why."""

from app.trajectory.similar.finder import Comparability, SimilarSession

__all__ = ["Comparability", "SimilarSession"]
