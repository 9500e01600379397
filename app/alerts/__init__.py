"""What was measured, by the minute, over all servers; rules about it, their state, and who is told."""
