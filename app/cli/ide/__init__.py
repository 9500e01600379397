"""Stands on a developer's machine between an IDE and Cairn: hooks, their stamps, and the IDE's own configuration."""
