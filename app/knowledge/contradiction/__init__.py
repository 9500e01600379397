"""Finds two statements that can't both hold: the same matter, in the same scope, with two values. Pure: knows no database."""
