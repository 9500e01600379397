"""Cairn: what a team of engineers learnt, with a citation. The rooms are described in docs/explanation/tour.md."""

import os

# Before numpy is imported. Its matrices are small here, and OpenBLAS's threads wait for each other spinning: on two busy cores the late
# interaction of a search (40 passages) took 7.5 ms with two threads and 0.46 with one, packing a passage 7.5 and 1.0.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
