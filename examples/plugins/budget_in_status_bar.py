"""One line for a status bar: what is left of this month's budget. python budget_in_status_bar.py

Always exits with 0 and one line: a status bar that shows a traceback helps nobody.
"""

from __future__ import annotations

from cairn.client import Budget, CairnError, Client, NotAuthenticated, NotConfigured

SECONDS = 3.0


def line_of(budget: Budget) -> str:
    """Say what is left, and warn where the month will end above the limit."""
    if budget.limit_usd is None or budget.remaining_usd is None:
        return f"Cairn: ${budget.spent_usd:.2f} this month"
    warning = " ⚠" if budget.forecast_usd > budget.limit_usd and not budget.too_early_to_tell else ""
    return f"Cairn: ${budget.remaining_usd:.2f} of ${budget.limit_usd:.2f} left until {budget.period.end:%d %b}{warning}"


def main() -> None:
    """Print the line."""
    try:
        with Client(timeout=SECONDS, retries=0) as client:
            print(line_of(client.budget.own()))
    except (NotConfigured, NotAuthenticated):
        print("Cairn: sign in")
    except CairnError:
        print("Cairn: offline")


if __name__ == "__main__":
    main()
