"""Reads events: the commands of a line, the kind of a tool, a person's turn as a verdict, and each event as a step that can be compared. Pure."""

from app.trajectory.events.shell import change_of, commands_of, hides_exit_code, only_looks
from app.trajectory.events.steps import Phase, SessionStep, step_of
from app.trajectory.events.tools import EDIT_TOOL, READ_TOOL, SHELL_TOOL, reads, runs_tests
from app.trajectory.events.turns import Ending, ending, objects

__all__ = [
    "EDIT_TOOL",
    "READ_TOOL",
    "SHELL_TOOL",
    "Ending",
    "Phase",
    "SessionStep",
    "change_of",
    "commands_of",
    "ending",
    "hides_exit_code",
    "objects",
    "only_looks",
    "reads",
    "runs_tests",
    "step_of",
]
