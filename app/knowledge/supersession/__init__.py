"""Judges whether a later statement replaces an earlier one: only where it says so and names what it gives up. Pure: knows no database."""
