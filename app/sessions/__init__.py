"""Sessions: transcript formats, uploads, and the append-only journal of events."""
