"""Reads a person's turn as a verdict on what the agent did before it: accepted, corrected, or neither. Cues stand in a turn's first sentence."""

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
_NOT = r"(?:n[’'o]t|nt|not)"
_BAD = r"(?:wrong|incorrect|broken|failing|red|bad|off|missing|gone|empty|worse|overkill|too \w+)"
_GOOD = r"(?:good|great|perfect|fine|ok(?:ay)?|nice|correct|right|helpful|awesome|excellent|amazing|better|beautiful|clean|there|working|lovely|exactly (?:it|what)|all set|the one|what i (?:needed|wanted|meant))"
_WORKS = r"(?:works?|worked|pass(?:es|ed)?|fixed|fixes|solved|solves|resolved|loads|compiles|builds|runs|did (?:it|the trick)|\w+s (?:correctly|properly|fine|nicely))"
_THING = r"(?:it|that|this|everything|all|(?:the|all|both) (?:\w+ ){0,2}\w+)"
_YES = r"(?:y(?:es|ep|up|eah)|sure|ja|jawohl|genau|c'est bon|oui|sí|vale|dale|sim|sì|tak|ano|evet|да|давай|так|ναι|כן|نعم|हाँ|(?:好的?|行|可以|是的|对|嗯|没问题)(?=[,.!，。！、]|$)|はい|うん|네|예|좋아요?|vâng|igen|kyllä)"
_NO = r"(?:no|nope|nah|nein|non|não|nie|nee|nej|hayır|нет|ні|όχι|לא|لا|नहीं|不对|不是|いいえ|아니|không|tidak|nem)"
_PRAISED = re.compile(
    rf"\s*{_FILLER}(?:thanks|thank you|thx|ty\b|great|perfect|awesome|nice|sweet\b|excellent|lgtm|good\b(?! (?:morning|evening|afternoon|day))|works|worked|ship it|commit|push|merge|cool|love|well done|beautiful|superb|brilliant|fantastic|wonderful|approved|confirmed|(?:i['’]?m |we['’]?re )?(?:very )?happy with|no complaints|fine\b"
    rf"|{_THING}(?:['’]s| is| was| looks?| seems?| sounds?)? (?:now )?(?:all )?(?:really |very |so |much |pretty )*(?:{_WORKS}|{_GOOD})(?! not)\b|all (?:green|good|done|set|passing)\b|(?:looks?|sounds?|seems?|much|so much) (?:\w+ )?{_GOOD}"
    rf"|makes sense|(?:i )?agreed?\b|exactly|spot on|top[.!]?$|you['’]?(?:re| are) right|(?:i )?like (?:it|that|this)|i like)",
    re.IGNORECASE,
)
_TAKEN_UP = re.compile(
    rf"\s*(?:(?:ok(?:ay)?|k|great|cool|fine|right|please|{_YES})[,.!，。、 ]+){{0,2}}(?:{_YES}(?![\w’'-])|go ahead|go for it|proceed|please do\b(?!n|n?['’]| not)|do (?:it|that|this|so|those|both|all|option|the (?:first|second|third|last))\b|let['’]s (?:do|go)|(?:go )?with (?:option|the (?:first|second|third|last))"
    r"|sounds good|fix (?:that|it|this|them|those)\b|next one\b|(?:go on|continue|carry on|keep going)\s*[.!]?$|option \w\b|all of them|both\b|absolutely|definitely|of course|by all means)|\s*ok(?:ay)?[,.!]",
    re.IGNORECASE,
)
_PRAISED_WITHIN = re.compile(
    r"\b(?:seems?|looks?|works?|(?:is|are)|tested|changes are) (?:to be )?(?:all )?(?:fine|ok(?:ay)?|good|great|perfect|correct|right|working)\b|\bit's (?:there|working|fine|good|fixed)\b|\bnow (?:it )?(?:works|builds|compiles|passes|runs)\b|\b(?:page|it|app|tests?|everything|all) (?:now )?(?:loads|pass|passes)\b|[,.!] (?:thanks|thank you|great|perfect|nice)[.!]?$",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    rf"\s*{_FILLER}(?:{_NO}(?![\w’'-])(?! ?(?:problem|worries|need to|rush))|not[,.! ，、،。]|wrong|stop|incorrect|revert|undo|roll ?back|reset\b|just (?:reset|revert|drop|undo|remove)|try again|never\b|nothing\b|none of|still\b|again\b|same (?:\w+ )?(?:error|problem|issue|result|thing)|instead|too \w+[,. ]"
    rf"|(?:do{_NOT}|do not|please (?:do{_NOT}|stop)|(?:can|could) you (?:please )?not|no need)\s(?!forget|worry|hesitate|know\b)|(?:that|this|it|which)(?:['’]s| is| was)? (?:still |now |just )?(?:wrong|incorrect|{_NOT}|does{_NOT}|did{_NOT}|{_BAD})"
    rf"|(?:that|this|it|you|we|they|there)(?:['’]s|['’]re)? (?:still |also )?(?:still|are{_NOT}|is{_NOT}|was{_NOT}|does{_NOT}|did{_NOT}|do{_NOT}|has{_NOT}|have{_NOT}|can{_NOT}|should{_NOT}|wo{_NOT}|could{_NOT}|does not|did not|do not|should not|should have|is not|are not|is no|are no|forgot|missed|missing|broke|removed|deleted|changed|overwrote|ignored|misunderstood|got it wrong|made a mistake)\b"
    rf"|(?:does{_NOT}|did{_NOT}|does not|did not|wo{_NOT}) \w+|why (?:did|are|do|would) you\b|why (?:is|does|do|did|are)\w*{_NOT}|bad idea|you only\b|i['’]?d rather|i would rather|i (?:do{_NOT}|did{_NOT}|do not|did not|never|still|mean[ t]|said|asked|told|wanted|already|think you|was (?:thinking|expecting|hoping|able))\b|my point|what i mean"
    rf"|(?:hmm+|huh|uhh?|um+|wait|actually|sorry|but|however|unfortunately|strange|weird|except)\b|absolutely no\b|no (?:change|difference|effect|luck|such|code|need)\b|(?:it |the \w+ )?(?:still )?(?:fails?|failed|crashe[sd]|breaks|broke|hangs|throws)\b|looks? (?:worse|wrong|bad|off|broken)|put (?:it|that|this|them) back|where did \w[^?]{{0,60}} go\b|you \w+(?:ed|d) the\b"
    r"|(?:remove|drop|delete|shorten|get rid of|take out) (?:that|this|it|these|those|them)\b)",
    re.IGNORECASE,
)
_PASTED_ERROR = re.compile(
    r"^(?:[>E] {3,}\S|(?:\S{1,80} )?\[?ERROR\]?[: ]|Traceback \(most recent|(?:\w+\.)*\w{1,60}(?:Error|Exception)\b[:(]|E {2,}\w+Error|FAILED |FAIL:|fatal:|panic:|npm ERR!|error(?:\[\w+\]|: | TS\d))",
    re.MULTILINE,
)
_FAULT = re.compile(
    r"\b(?:does|did|is|was|are|were|wo|ca|could|should|has|have)(?:n['’]?t| not)\b|\bno longer\b|\b(?:crashe?|fail|break|hang|throw|freeze)s\b|\bfailed\b|\bbroken?\b|\bregress\w*|\bworse\b|\boverkill\b|\bmisunderst\w+|\bwrong\b|\bincorrect\b|\bsame (?:as before|thing|error|result)"
    r"|\b(?:get|gets|getting|got|gives|giving|says|shows|returns|throws)\b:? ?(?:an? |the |this )?(?:\w+ )?(?:error|exception|[45]\d\d\b|traceback|\w+Error)|\b(?:was|were|is|are) supposed to\b|\bshould have\b|\bnot what\b|\bdoes not work\b|\b(?:is|are|looks?|seems?|comes? out) (?:now |still |all |completely |a bit )?(?:empty|off\b|missing|red\b|messed up|gone|blank|stuck|slow|slower|ugly|confusing|cut off|unreadable|duplicated|too \w+)|\bkeeps \w+ing\b|\bignor(?:es|ed)\b"
    r"|\b(?:is|are) (?:now )?failing\b|\bhas no\b|\bway too \w|\bthere(?:['’]s| is| are) (?:now|an? (?:typo|bug|error|mistake))|\bbut (?:it )?should\b|\bmakes (?:it|things) (?:slower|worse|harder)|\bopposite of\b|\bnever asked\b|\w don['’]?t \w|\binstead[.!]?$|\bstill (?:fails|broken|wrong|not|the same|error|there|happens)",
    re.IGNORECASE,
)
"""A report that something is not as it should be, by its predicate: whatever its subject."""
_BUT = re.compile(
    rf"[,.;!\n ](?:but|however|except|only (?:little |small |one )?(?:issue|problem|thing)|though|although|just not)\b[^.?\n]{{0,120}}?(?:{_NOT}\b|n['’]t\b|\bno\b|\bstill\b|\bissue|\bproblem|\bwrong|\bmissing|\bagain\b|\berror|\bfail|\binstead\b|\bcoming out\b|\.\w)",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"^\S{1,40} not \S{1,40}$|\b(?:use|put|keep|call|make|get|do) \S{1,60} (?:instead of|not|rather than) |, not \S|\bnot just\b|\bwe do(?:n't| not) (?:need|want)\b|\bi do(?:n't| not) want\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"^(?:what|how|where|when|which|who|can|could|is|are|does|do|should|would|will)\b", re.IGNORECASE)
_REQUEST = re.compile(
    r"^(?:please |now (?!i\b|it\b|the\b)|then |next,? |also |and |let['’]?s |i (?:want|need|would like|['’]d like)|we (?:need|want|should)|if )|^(?:add|create|implement|write|make|build|use|update|rename|open|find|show|check|look|explain|run|fix|move|change|handle|refactor|investigate|set|test|support|list|read|review|ensure|debug)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?。！？\n]")


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
    if _CORRECTED.match(head) or _PASTED_ERROR.search(text) or _reports_fault(head):
        return "corrected"
    if _PRAISED_WITHIN.search(head):
        return "corrected" if _BUT.search(head) or _CONTRAST.search(head) else "accepted"
    if _QUESTION.match(head):
        return "open"
    return "corrected" if _CONTRAST.search(head) or _BUT.search(head) else "open"


def _reports_fault(head: str) -> bool:
    """Tell whether the first sentence reports a fault: a question or a request may speak of one without a verdict."""
    end = _SENTENCE_END.search(head)
    sentence = head[: end.end()] if end else head
    asks = _QUESTION.match(sentence) or _REQUEST.match(sentence) or sentence.rstrip().endswith(("?", "？"))
    return not asks and _FAULT.search(sentence) is not None
