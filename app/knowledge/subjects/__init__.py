"""Finds what an item is about: files, symbols, settings, tools, services and tickets, by name. Pure: knows no database."""
