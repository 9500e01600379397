"""The temporal embedding: a session's or window's course as 384 numbers, by signal processing alone. Knows no session."""

from app.trajectory.embedding.temporal import DIMENSIONS, EMBEDDING_VERSION, GROUPS, temporal_embedding

__all__ = ["DIMENSIONS", "EMBEDDING_VERSION", "GROUPS", "temporal_embedding"]
