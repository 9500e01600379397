"""Accounts: teams, developers, projects, keys."""
