"""Logs, metrics, traces: how they look and where they go. Knows no room: what is worth saying, each room decides itself."""
