"""Messages between a team's agents: channels, consumer groups, at-least-once delivery. The exchange stores them on one of two buses."""

from app.queue.messages.exchange import MessageExchange, Published
from app.queue.messages.message import CHANNEL, NAME, DeadLetter, Message

__all__ = ["CHANNEL", "NAME", "DeadLetter", "Message", "MessageExchange", "Published"]
