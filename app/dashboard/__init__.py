"""The pages people look at, under /dashboard: server-rendered, live, and nothing from another host.

`application.py` is the way in; each page has a module of its own that gathers what its template shows. Knows no SQL and no arithmetic of
money: every figure comes from a room, every amount is written by `formatting.py`.
"""

from app.dashboard.application import install
from app.dashboard.visitor import PATH

__all__ = ["PATH", "install"]
