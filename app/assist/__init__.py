"""Assistance for an IDE at the right moment: what a session should know at its start, what fits a prompt, and the hooks that ask for it."""
