"""Compares what knowledge says of the code with a git repository. Knows no server: items come in and verdicts go out as plain values."""
