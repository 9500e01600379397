"""Settings → live objects. One async context manager owns every lifetime: what is opened last is closed first.

`services.py` names the objects; `opening.py` makes them, with `budget.py`, `inference.py` and `limits.py` for the rooms that have much
to open; `working.py` is the life of a worker; `readiness.py` asks each part how it is.
"""

from app.services.opening import open_services
from app.services.services import Role, Services

__all__ = ["Role", "Services", "open_services"]
