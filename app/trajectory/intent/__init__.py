"""Intents of prompts: what a person wants with one, with a confidence, the runner-up and the nearest examples as the reason.

Trained on examples written for the project (examples.toml) and, for a team, on its own corrections. Knows nothing of knowledge or HTTP.
"""

from app.trajectory.intent.kinds import INTENTS, Intent, IntentReading, PromptIntent

__all__ = ["INTENTS", "Intent", "IntentReading", "PromptIntent"]
