"""Keeps what was measured, by the minute, over all servers; evaluates rules about it and about budgets, and decides whom to notify."""
