"""Messages between the agents of a team: channels, consumer groups, at-least-once delivery. The exchange fronts two buses."""
