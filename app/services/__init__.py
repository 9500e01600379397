"""Settings → live objects: the composition root, and what iterates over all rooms.

`opening.py` lists the rooms in order; `composition.py` opens them and keeps their parts; `services.py` names what they handed over. Over
the parts iterate `readiness.py`, `gauges.py`, `maintenance.py` and `monitoring.py`. `working.py` is the life of a worker, `child.py` the
embedded one; where two rooms meet stands in a file of its own (`answers.py`: knowledge, inference and budget).
"""

from app.services.opening import open_services
from app.services.services import Role, Services

__all__ = ["Role", "Services", "open_services"]
