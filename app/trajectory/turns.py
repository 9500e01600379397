"""Reads a person's turn as a verdict on what the agent did before it: accepted, corrected, or neither. Cues stand at a turn's beginning."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from app.likeness.gloss import gloss

Ending = Literal["accepted", "corrected", "open"]
MAX_READ_CHARS = 600
MAX_HEAD_CHARS = 200
"""Characters in which a cue must stand: later words say what is wanted next."""
_FILLER = r"(?:(?:ok(?:ay)?|oh|ah+|well|so|and|please|hey|yes|yeah)[,.! ]+){0,2}"
_NOT = r"(?:n[o']t|nt|not)"
_BAD = r"(?:wrong|incorrect|broken|failing|red|bad|off|missing|gone|empty|too \w+)"
_GOOD = r"(?:good|great|perfect|fine|ok(?:ay)?|nice|correct|right|helpful|awesome|excellent|amazing|better|beautiful|clean|there|working|lovely|exactly (?:it|what)|all set)"
_PRAISED = re.compile(
    rf"\s*{_FILLER}(?:thanks|thank you|thx|ty\b|great|perfect|awesome|nice|excellent|lgtm|good (?:job|work|stuff|catch|idea|point)|works|worked|ship it|commit|push|merge|cool|love|well done|beautiful"
    rf"|(?:it|that|this|everything|all)(?:'s| is| was| looks?| seems?| sounds?)? (?:now )?(?:all )?(?:really |very |so |much |pretty )*(?:works?|{_GOOD})\b|all (?:green|good|done|set|passing)\b|(?:looks?|sounds?|seems?|much|so much) (?:\w+ )?{_GOOD}|makes sense|agreed|exactly|(?:i )?like (?:it|that|this)|i like)",
    re.IGNORECASE,
)
_TAKEN_UP = re.compile(
    r"\s*(?:(?:ok(?:ay)?|great|cool|fine)[,.! ]+)?(?:y(?:es|ep|up|eah)|sure|go ahead|go for it|proceed|please do|do (?:it|that|this|so|those|both|all)|let's (?:do|go)|sounds good|fix (?:that|it|this|them|those|the)|next(?: one\b|[:!.])|option \w\b|all of them|both\b|absolutely|definitely|of course)",
    re.IGNORECASE,
)
_PRAISED_WITHIN = re.compile(
    r"\b(?:seems?|looks?|works?|(?:is|are)|tested|changes are) (?:to be )?(?:all )?(?:fine|ok(?:ay)?|good|great|perfect|correct|right|working)\b|\bit's (?:there|working|fine|good|fixed)\b|\bnow (?:it )?works\b",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    rf"\s*{_FILLER}(?:no[,. !](?! ?(?:problem|worries|need to|rush))|not[,.! ]|nope|wrong|stop|incorrect|revert|undo|roll ?back|reset\b|just (?:reset|revert|drop|undo|remove)|try again|never\b|nothing\b|none of|still\b|again\b|same (?:\w+ )?(?:error|problem|issue|result|thing)|instead"
    rf"|(?:do{_NOT}|do not|please (?:do{_NOT}|stop))\s(?!forget|worry|hesitate|know\b)|(?:that|this|it|which)(?:'s| is| was)? (?:still |now )?(?:wrong|incorrect|{_NOT}|does{_NOT}|did{_NOT}|{_BAD})"
    rf"|(?:that|this|it|you|we|they|there) (?:still|are{_NOT}|is{_NOT}|was{_NOT}|does{_NOT}|did{_NOT}|do{_NOT}|has{_NOT}|have{_NOT}|can{_NOT}|should{_NOT}|wo{_NOT}|could{_NOT}|does not|did not|do not|should not|is not|are not|is no|are no|forgot|missed|broke|removed|misunderstood|got it wrong)\b"
    rf"|(?:does{_NOT}|did{_NOT}|does not|did not|wo{_NOT}) \w+|why (?:did|are|do|would) you\b|why (?:is|does|do|did|are)\w*{_NOT}|i (?:do{_NOT}|did{_NOT}|do not|did not|never|still|mean[ t]|said|asked|told|wanted|already|was (?:thinking|expecting|hoping|able))\b|my point|what i mean"
    rf"|(?:hmm+|huh|uhh?|um+|wait|actually|sorry|but|however|unfortunately|strange|weird|except)\b|absolutely no\b|no (?:change|difference|effect|luck|such|code|need)\b|(?:the \w+ )?(?:still )?(?:fails?|failed|crashe[sd]|breaks|broke)\b)",
    re.IGNORECASE,
)
_PASTED_ERROR = re.compile(
    r"^(?:[>E] {3,}\S|(?:\S{1,80} )?\[?ERROR\]?[: ]|Traceback \(most recent|(?:\w+\.)*\w{1,60}(?:Error|Exception)\b[:(]|E {2,}\w+Error|FAILED |FAIL:|fatal:|panic:|npm ERR!|error(?:\[\w+\]|: | TS\d))",
    re.MULTILINE,
)
_BUT = re.compile(
    rf"[,.;!\n ](?:but|however|except|only (?:little |small |one )?(?:issue|problem|thing)|though|although|just not)\b[^.?\n]{{0,120}}?(?:{_NOT}\b|n't\b|\bno\b|\bstill\b|\bissue|\bproblem|\bwrong|\bmissing|\bagain\b|\berror|\bfail|\binstead\b|\bcoming out\b|\.\w)",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"^\S{1,40} not \S{1,40}$|\b(?:use|put|keep|call|make|get|do) \S{1,60} (?:instead of|not|rather than) |, not \S|\bnot just\b|\bwe do(?:n't| not) (?:need|want)\b|\bi do(?:n't| not) want\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"^(?:what|how|where|when|which|who|can|could|is|are|does|do|should|would|will)\b", re.IGNORECASE)


def ending(next_prompt: str) -> Ending:
    """Classify the person's next prompt as an acceptance or a correction of what was done before it."""
    return _ending(next_prompt[:MAX_READ_CHARS])


def objects(turn: str) -> bool:
    """Tell whether a person says in words of their own that something is wrong or to be otherwise: a pasted error alone is no objection."""
    return ending(turn) == "corrected" and _CORRECTED.match(gloss(turn[:MAX_READ_CHARS]).strip()[:MAX_HEAD_CHARS]) is not None


@lru_cache(maxsize=256)
def _ending(opening: str) -> Ending:
    """Classify a turn by its opening. Several rooms ask of the same turn, one after another."""
    text = gloss(opening).strip()
    head = text[:MAX_HEAD_CHARS]
    if _PRAISED.match(head) or _TAKEN_UP.match(head):
        return "corrected" if _BUT.search(head) else "accepted"
    if _CORRECTED.match(head) or _PASTED_ERROR.search(text):
        return "corrected"
    if _PRAISED_WITHIN.search(head):
        return "corrected" if _BUT.search(head) or _CONTRAST.search(head) else "accepted"
    if _CONTRAST.search(head) and not _QUESTION.match(head):
        return "corrected"
    return "corrected" if _BUT.search(head) and not _QUESTION.match(head) else "open"
