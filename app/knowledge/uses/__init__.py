"""Notices that a session used knowledge that it was served: the agent did what it says, and the person went on with it. Pure, no I/O."""
