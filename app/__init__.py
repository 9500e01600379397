"""Cairn: what a team of engineers learnt, with a citation. The rooms are described in docs/tour.md."""

import os

# Before numpy is imported. Its matrices are small here, and OpenBLAS's threads wait for each other spinning: with two busy cores the 40
# passages of a search took 7.5 ms of late interaction with two threads, and 0.15 with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
