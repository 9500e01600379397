"""Messages between the agents of a team: channels, consumer groups, at least once. The exchange stands before two buses."""
