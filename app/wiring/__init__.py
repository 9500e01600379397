"""Settings → live objects. One async context manager owns every lifetime: what is opened last is closed first.

`house.py` names the objects; `opening.py` makes them, with `budget.py`, `inference.py` and `limits.py` for the rooms that have much
to open; `working.py` is the life of a worker; `readiness.py` asks each part how it is.
"""

from app.wiring.house import House, Role
from app.wiring.opening import open_house

__all__ = ["House", "Role", "open_house"]
