"""Filters for text that never becomes knowledge: chit-chat, plans, questions, progress, and sentences that don't stand alone."""

from __future__ import annotations

import re

from app.likeness.gloss import gloss, is_foreign

_TALK = re.compile(
    r"(?:i'll|i’ll|i will|i'm (?:going|now|about)|i am going|let me|let's|let’s|lets|now[, ]|next[,:]? |first[, ]|great|perfect|excellent|sure|okay|ok[,.! ]|"
    r"good[,.! ]|hmm|wait|sorry|apolog|you're (?:right|absolutely)|you’re right|you are (?:absolutely )?right|would you|should i|do you|shall|could you|can you|please|"
    r"thanks|thank you|happy to|feel free|i need to|i should|i want to|i can see|i see|i've (?:read|reviewed|looked|checked)|looking at|all (?:tests|done|set|good)|"
    r"done|here(?:'s| is| are)|i have (?:read|reviewed)|i found|interesting|yes[,. ]|no[,. ]|if you|want me|ready|awesome|nice|absolutely|certainly|of course|"
    r"we (?:should|could|need to|can) (?:also |now )?(?:check|look|see|test|try|run|verify)|before i|once (?:you|i|we)|when you're|to summarize|in summary|as (?:you|we) (?:can|saw)|"
    r"todo|note to self|apply (?:these|this|the) |note that i(?:'ve| have| also)|\(y/n|phase \d|step \d|task \d|question \d|option [a-d\d]\b|part \d)",
    re.IGNORECASE,
)
_TRANSIENT = re.compile(
    r"\b(?:i(?:'m|’m| am) \w+ing|right now|at the moment|is running|still running|in progress|so far|for now i|waiting for|just (?:ran|pushed|committed|created)|will be (?:added|done)|let me know|"
    r"pushed to|has been pushed|committed as|commit [0-9a-f]{7,}|pr #?\d+|todo list|failed as expected|(?:tests?|lint(?:er|ing)?|build|checks|everything|all)\b.{0,24}\b(?:pass(?:es|ing)?(?! (?:through|to|by)\b)|clean(?:ly)?|green|pushed)|not run|re-?indexed|the error message (?:\w+ )?(?:suggests|indicates|says|shows)|i didn't (?:see|check)|as requested|as you (?:asked|requested)|"
    r"\d+ (?:tests?|files?) (?:passed|passing|changed)|diff --git|index [0-9a-f]{7,}|as (?:item|point) \d)\b",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"\b(?:today|tonight|this (?:morning|afternoon|evening|week)|right now|for now|for the moment)\b(?!['’])"
    r"|\b(?:wait|hold off)\b[^.;]{0,60}\b(?:run|job|build|pipeline|deployment) #?\d{2}"
    r"|^\W*i(?:'ve|’ve| have)? (?:decided|chose|chosen|opted) to (?:read|look|open|check|inspect|review|examine|start|begin)\b(?:[^.;]|\.(?=\w)){0,80}"
    r"\b(?:first\b|before (?:anything|i\b|changing|editing|touching)|because i\b)"
    r"|^\W*(?:i|we)(?:'ve|’ve| have)? (?:decided|chose|opted)\b(?:[^.;]|\.(?=\w)){0,80}\bbecause (?:\w+ )?i (?:need|want|must|have to)\b"
    r"|\b(?:because|since|as)\s+(?:nothing|no \w+|i (?:made|changed|did) no\w*)\s+(?:(?!is\b)\w+ )?(?:was |were |has been |have been )?"
    r"(?:changed|modified|committed|edited|touched|compiled|built|pushed|staged|done|commits?|changes?)\b",
    re.IGNORECASE,
)
"""Statements that hold for today or for this piece of work only: a wait for one run, an agent's own next step, a state because nothing was done yet."""
_PASSING_IN_ANY_ORDER = re.compile(
    r"\bbecause\b[^.;]{0,40}\bnothing\b[^.;]{0,30}\bchanged\b|\bbecause\b[^.;]{0,30}\bchanged\b[^.;]{0,30}\bnothing\b|\bnothing\b[^.;]{0,20}\bchanged\b[^.;]{0,20}\bbecause\b",
    re.IGNORECASE,
)
"""The same in the gloss of another language, which has English words in the order of its own."""
_OWN_STEP = re.compile(
    r"^\W*i decided\s+(?:\S+\s+){0,2}first\b|\bbecause i need\b.{0,40}\bfirst\b.{0,80}\bi decided\b",
    re.IGNORECASE,
)
"""An agent's own next step in such a gloss, also where it has to."""
_LASTING = re.compile(r"(?<!\bi )\b(?:must|never|always)\b", re.IGNORECASE)
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|“[^”]*”")
_DANGLING = re.compile(
    r"(?:this|that|it|its|it's|these|those|they|them|he|she|here|there|both|same|which|so|but|and|or|then|also|however|otherwise|instead|because|since|while|which|"
    r"the (?:above|former|latter|same|other|first|second|third|last|changes?|new (?:code|version)|updated|following)|in (?:this|that) case|for (?:this|that)|as a result|likewise|similarly|meanwhile)\b",
    re.IGNORECASE,
)
_INJECTION = re.compile(
    r"\b(?:ignore (?:all |any )?(?:previous|prior|above|earlier) (?:instructions|prompts|messages)|disregard (?:all|the|your) (?:previous|prior|instructions)|"
    r"you are now (?:a|an|in)|system prompt|reveal your (?:instructions|prompt)|jailbreak)\b",
    re.IGNORECASE,
)
_OUTPUT = re.compile(
    r"[\w./-]+\.\w{1,5}:\d+(?::\d+)?:? |(?:error|warning|fatal|traceback|file \")[ :(\"]|[\w./-]*/[\w.-]+\.\w{1,5}$|(?:from|import) [\w.]+(?: import|$| as)|"
    r"(?:feat|fix|chore|docs|style|refactor|test|build|ci|perf)(?:\(\w+\))?!?: |(?:E +)?[\w.]+(?:Error|Exception): |#{2,} ?",
    re.IGNORECASE,
)
"""Lines of a linter, a stack trace or a commit log; file names; imports."""
_WORD = re.compile(r"[^\W\d_]{2,}")
CODE = re.compile(r"`[^`]+`|\b\w+(?:[._/:-]\w+)+\b|\b[a-z]+[A-Z]\w+|\b[A-Z]{2,}[A-Z0-9_]*\b|--?[a-z][\w-]+|\b\w+\(\)|\b\d+(?:\.\d+)+\b")


def is_talk(text: str) -> bool:
    """Tell whether it opens like chit-chat, a plan or a progress report."""
    return bool(_TALK.match(gloss(text)))


def is_transient(text: str) -> bool:
    """Tell whether it describes a passing state, stale by tomorrow; a rule (`never … while it is running`) doesn't."""
    read = _QUOTED.sub("`…`", gloss(text))
    passes = _TRANSIENT.search(read) or _PASSING.search(read) or (is_foreign(text) and _PASSING_IN_ANY_ORDER.search(read))
    return bool(passes and not _LASTING.search(read)) or (is_foreign(text) and bool(_OWN_STEP.search(read)))


def is_injection(text: str) -> bool:
    """Tell whether it looks like a prompt injection."""
    return bool(_INJECTION.search(text))


def is_dangling(text: str) -> bool:
    """Tell whether it opens with a reference (`this`, `the latter`) to something outside it."""
    return bool(_DANGLING.match(text))


def names_something(text: str) -> bool:
    """Tell whether it names code, a command, a setting or a version: something to search for."""
    return bool(CODE.search(text))


def is_output(text: str) -> bool:
    """Tell whether it is tool output, a file name or an import rather than prose."""
    return bool(_OUTPUT.match(text))


def is_prose(text: str) -> bool:
    """Tell whether it is mostly words: not a listing, a stack frame or code."""
    if is_output(text):
        return False
    if is_foreign(text):
        return True
    words = _WORD.findall(text)
    return len(words) >= 5 and sum(map(len, words)) >= 0.5 * len(text.replace(" ", ""))
