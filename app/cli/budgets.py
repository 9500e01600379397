"""`cairn budget`: all of its commands. Limits and balances: `budget.py`; where money went, and the calls behind it: `spending.py`."""

from __future__ import annotations

from app.cli import spending
from app.cli.budget import budget

budget.command("spend")(spending.spend)
budget.command("calls")(spending.calls)
