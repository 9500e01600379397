"""Cairn: what a team of engineers learnt, with a citation. The rooms are described in docs/tour.md."""

__version__ = "0.1.0"
