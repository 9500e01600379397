"""`python -m app.cli`: the command, for processes that Cairn itself starts."""

from app.cli import main

main()
