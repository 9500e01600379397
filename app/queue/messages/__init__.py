"""Messages between a team's agents: channels, consumer groups, at-least-once delivery. The exchange stores them on one of two buses."""
