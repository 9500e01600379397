"""Reads a person's turn as a verdict on what the agent did before it: accepted, corrected, or neither."""

from __future__ import annotations

import re
from typing import Literal

from app.likeness.gloss import gloss

Ending = Literal["accepted", "corrected", "open"]
_ACCEPTED = re.compile(
    r"\s*(?:thanks|thank you|thx|great|perfect|awesome|nice|excellent|lgtm|looks good|look good|good (?:job|work|stuff)|works|it works|that works|worked|ship it|"
    r"commit|push|merge|cool|love it|well done|beautiful|yes[,.!]? (?:that|this|it|perfect|great))",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\s*(?:no[,. !]|not\s*[,.!，、،。]|nope|wrong|that's (?:wrong|not|incorrect)|that is (?:wrong|not|incorrect)|this is (?:wrong|not|incorrect)|not (?:what|quite|right|correct|working)|still (?:fails|failing|broken|not|getting|the same|doesn)|"
    r"it (?:still|doesn't|does not|didn't)|doesn't work|does not work|didn't work|revert|undo|roll ?back|you (?:didn't|did not|missed|forgot|broke|removed|misunderstood|got it wrong)|why did you|"
    r"stop|incorrect|i (?:didn't|did not) (?:ask|want|mean))",
    re.IGNORECASE,
)


def ending(next_prompt: str) -> Ending:
    """Classify the person's next prompt as an acceptance or a correction of what was done before it."""
    head = gloss(next_prompt[:200])
    if _CORRECTED.match(head):
        return "corrected"
    return "accepted" if _ACCEPTED.match(head) else "open"
