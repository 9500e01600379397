"""IDEs' hooks on the server: where a session works, what is captured of it, and what a prompt is given. Read `hooks.py` first."""
