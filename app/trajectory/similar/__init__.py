"""Finds sessions like one: by their shape over time and by the phases that they share, with why."""
