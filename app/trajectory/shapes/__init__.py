"""The shape of a session: its phases in order with how they ended, and its course in numbers. Reads steps only; pure."""
