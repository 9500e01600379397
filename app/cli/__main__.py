"""`python -m app.cli`: the same command, for the processes that Cairn starts itself."""

from app.cli import main

main()
