"""Makes item titles out of the item's own statements: a subject and its lesson, a whole main clause, never cut within a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from app.knowledge.extraction.noise import CODE, is_dangling, is_talk
from app.knowledge.extraction.prose import Statement
from app.likeness.gloss import is_foreign

MAX_TITLE = 90
MIN_CLAUSE = 18
_LEAD = re.compile(
    r"^(?:[-–—•]+ +|(?:no|nope|wrong|actually|also|and|but|so|well|remember|btw|by the way|oh|please|hey|ok|okay|yes|yeah|yep|yup|exactly|right|confirmed|now|then|currently|finally|additionally|"
    r"furthermore|in addition|similarly|nein|non|não|不对|不是)[,.:!，。！]? +(?=\S)|"
    r"(?:the )?(?:root cause|(?:actual |real |underlying )?(?:problem|issue|bug|reason|culprit|cause)|fix|solution)(?: here)?(?:[:,]| (?:is|was)(?: that|:)) |"
    r"(?:important|note|warning|caveat|gotcha|key (?:insight|point|finding)|decision|rationale|why|fix(?:ed)?|cause|results?|summary|conclusion|correction|remember|observation|minor|major|nit|nice|"
    r"recommendation|suggestion|before|after|tests?|changes?(?: made)?|updated?|status|achtung|attention|atenção|our rule|unsere regel|notre règle|nossa regra)(?: is)?(?:[:：]| [-–—])(?: that)? *(?=\S)|"
    r"(?:注意|问题(?:是|在于)|(?:根本)?原因(?:是|在于)?)[:：,，]? ?|(?:note|remember|keep in mind|be aware) that |"
    r"(?:i|we)(?:'ve| have)? (?:decided|opted) to |that's wrong[.,] |"
    r"i (?:can )?(?:now )?(?:see|found|notice|noticed|realized?|discovered|learned) (?:that )?(?=\S+ \S+ \S+ \S)|"
    r"(?:the|this|these) (?:(?:new|code|small|main) )?(?:fix|change|solution|update|modification|edit|pr|pull request|patch|refactoring|approach)(?:es|s)? (?:also |now |will )?"
    r"(?=(?!(?:is|was|are|were|has|have|had|does|do|did|can|should|must|looks?|seems?|works?)\b)[a-z]{2,}s? )|"
    r"(?:i|we)(?:'ve| have)? (?:also |now )?(?=(?:\w+ed|made|built|wrote|split|set|put|kept|chose) )|"
    r"(?:to|for) [^,.]{4,70}, (?:we|you|i)(?:'ll|'d)? (?:also )?(?:need to|should|must|can|could|have to|will(?: need to)?) |\(?\d{1,3}[.)] +|"
    r"(?:lines?|conflict|test(?: case)?|point|step|issue|change|observation|item|option|phase|case) ?#?\d+(?:[-–]\d+)?(?: \([^)]*\))?(?:[:.)]| [-–—]) *)",
    re.IGNORECASE,
)
_SUBORDINATE = re.compile(
    r"(?:(?:only |even )?(?:if|when)|to|in|for|by|with|without|after|before|once|since|because|as|while|although|given|based|during|from|on|at|"
    r"wenn|um|nach|si|quand|pour|se|quando|para|如果|当|为了)\b",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"(?:(?:this|these|those|the|my|our|both|all|that) (?:\w+ )?(?:changes?|modifications?|edits?|updates?|fix(?:es)?|implementation|approach|code|version|solution|block|diff|patch|"
    r"following|above|reason|way|method|function|file|files|test|tests|problem|error|issue)\b|there (?:is|are|was)|here\b|below\b|you(?:'ll|r)?\b|i\b|i'|we'|my\b|one\b|another\b|"
    r"overall\b|(?:update|add|import|change|modify|do|use|call|run) (?:it|this|these|them|that)\b|specifically\b|as (?:an?|you)\b|what\b|how\b|why\b|which\b|where\b|such\b|for example|(?:modify|restructure|make changes|print out|open|see|verify|need to|make sure|update the|either)\b|the user will|result in|each of\b|every time\b)",
    re.IGNORECASE,
)
"""Openings that mean nothing without the preceding text."""
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|do|does|did|can|could|may|must|should|will|won't|can't|cannot|isn't|aren't|wasn't|doesn't|don't|didn't|needs?|means?|"
    r"uses?|runs?|returns?|reads?|writes?|takes?|makes?|gets?|sets?|keeps?|calls?|checks?|fails?|works?|handles?|requires?|expects?|contains?|supports?|stores?|holds?|starts?|stops?|creates?|"
    r"adds?|removes?|moves?|replaces?|sends?|goes|comes?|loads?|matches|passes|receives?|provides?|allows?|prevents?|ensures?|causes?|throws?|raises?|ignores?|skips?|deletes?|drops?|clears?|"
    r"converts?|strips?|treats?|differs?|depends?|belongs?|lives?|happens?|exists?|inherits?|defaults?|changes?|breaks?|blocks?|waits?|polls?|caches?|lets?|gives?|finds?|looks?|tells?|shows?|"
    r"prints?|logs?|parses?|validates?|wraps?|exposes?|installs?|queries|fetches|pushes|counts?|compares?|computes?|recomputes?|eliminates?|avoids?|opens?|closes|closed|emits?|dispatch(?:es)?|"
    r"covers?|verif(?:y|ies)|publish(?:es)?|routes?|delivers?|forwards?|use|run|import|modify|update|avoid|never|always|\w{2,}ed|made|built|wrote|split|put|kept|chose)\b",
    re.IGNORECASE,
)
_GENERIC_HEADING = re.compile(
    r"(?:summary|changes?|overview|details?|notes?|result|results|conclusion|explanation|key|what|why|how|next|steps?|files?|file|fix(?:es)?|implementation|verification|tests?|testing|"
    r"root cause|problem|issue|solution|background|context|example|usage|recommendations?|observations?|improvements?|strengths?|weaknesses|pros|cons|good|phase|step|part|option|line|lines|"
    r"top|minor|major|critical|code|other|benefits?|answer|before|after|总结|说明|结论)\b",
    re.IGNORECASE,
)
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts in which few characters make a clause."""
_CODE = re.compile(r"`([^`\n]{2,48})`")
_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""A letter of a script that sets words off by spaces: others may stand right beside a name."""
_NAME = re.compile(
    rf"(?<!{_LETTER})(?:{_LETTER}+[._/-])+{_LETTER}+(?!{_LETTER})|"
    r"\b[a-z]+[A-Z]\w+\b|\b[A-Z][a-z]+[A-Z]\w+\b|\b[A-Z][A-Z0-9]+_[A-Z0-9_]+\b|\b\w+\(\)"
)
_PATH = re.compile(r"^`?[\w./~*-]+(?::\d+(?:-\d+)?)?`?(?: ?\([^)]*\))?:? *[-–—:]? *")
_POINTS = re.compile(r"\b(?:it|this|these|those|them|that way|the same|as follows|above|below)\b", re.IGNORECASE)
_NARRATES = re.compile(
    r"(?:`[^`]+`:? )?(?:modif(?:y|ies|ied)|updates?|imports?|removes?|renames?|creates?|wraps?|restructure|make changes|print out|tests? that|verif(?:y|ies)|checks?|ensure that|"
    r"(?:we|i) (?:check|create|convert|set|use|return|first|add|update|import|move|now)\b|for example|allows?|still|the functionality|see\b|need to|open\b|calls?\b)",
    re.IGNORECASE,
)
"""Openings that narrate an edit or a to-do: a title should say how something behaves."""
_GERUND = re.compile(r"(?:re-?)?[a-z]{3,}ing\b", re.IGNORECASE)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|means?|makes?|would|will|can|could|must|should|has|have|does|needs?|requires?|allows?|lets?|breaks?)\b",
    re.IGNORECASE,
)
_CLAUSE_ENDS = ("; ", "；", "。", ". ", " — ", " – ", " - ", ": ", "：", ", so ", ", which ", " so that ", ", but ", " because ", ", because ", ", since ", ", weil ", ", car ",
          ", porque ", "，因为", " (", "，", ", and ", ", ")  # fmt: skip
_CONNECTIVES = (" which ", " when ", " while ", " before ", " after ", " with ", " using ", " instead of ", " rather than ", " where ", " without ", " and ", " so ", " for ", " in ", " from ", " via ",
          " to ", " by ", " as ", " on ")  # fmt: skip
"""Places where a clause may be cut early; the title then ends with an ellipsis."""
_INCOMPLETE_END = re.compile(
    r"\b(?:the|an?|of|to|is|are|was|were|not|be|by|for|with|and|or|in|on|that|which|need|needs|has|have|can|must|should|will|its|their|it|as|from|at|than|only|also|so|if|when|includes?|like|try)$",
    re.IGNORECASE,
)


def title_of(core: Statement, group: Sequence[Statement], *, said_by_person: bool = False) -> str:
    """Return the best title that the statements offer, "" if none; a person's statement gets its subject prefixed."""
    best, worth = "", 0.0
    for each in group:
        own = 1.0 if each.place == core.place else 0.0
        for title, value in _best_title(each):
            if value + own > worth:
                best, worth = title, value + own
    heading = heading_of(core.heading)
    if heading and worth < HEADING:
        best = heading
    if not best:
        return ""
    subject = subject_of(core.text, core.heading)
    if not said_by_person or not subject:
        return best
    shorter = best if len(subject) + 2 + len(best) <= MAX_TITLE else next(_clauses(best, MAX_TITLE - len(subject) - 2), "")
    return f"{subject}: {shorter}" if shorter else best


WHOLE, CLAUSE, SHORTENED, HEADING, NAMED, POINTING, NARRATED = 2.0, 1.4, 0.6, 1.3, 0.5, 0.7, 1.2
"""Title scores: a whole sentence, a clause, a clause cut early, a section's heading; bonus for naming something; penalties for pointing
elsewhere and for narrating an edit."""


def _best_title(said: Statement) -> Iterator[tuple[str, float]]:
    """Yield the statement's best title with its score, or nothing."""
    lesson = without_lead(said.text)
    if not is_self_contained(lesson):
        return
    sentence = capitalize(" ".join(lesson.split()).rstrip(".。:：;；,， "))
    if len(sentence) <= MAX_TITLE and _is_main_clause(sentence):
        yield _balanced(sentence), WHOLE + _adjustment(sentence)
    elif len(sentence) > MAX_TITLE:
        for clause in _clauses(sentence, MAX_TITLE):
            yield clause, (SHORTENED if clause.endswith("…") else CLAUSE) + _adjustment(clause)
            return
        if is_foreign(sentence):  # where its clauses end is unknown
            yield _balanced(_words_within(sentence, MAX_TITLE - 2)) + " …", SHORTENED + _adjustment(sentence)


def _adjustment(title: str) -> float:
    named, pointing = NAMED if CODE.search(title) else 0.0, POINTING if _POINTS.search(title) else 0.0
    return named - pointing - (NARRATED if _NARRATES.match(title) else 0.0)


def capitalize(text: str) -> str:
    """Capitalize the first letter, unless the text opens with an identifier."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text


def is_self_contained(text: str) -> bool:
    """Tell whether a text can be understood alone: it opens with no reference, has a verb, and is prose."""
    if is_dangling(text) or _WEAK.match(text) or is_talk(text) or not _has_verb(text):
        return False
    if _PATH.fullmatch(text):
        return False
    return len(text) >= 12 and not text.startswith((")", "]", "}", ",", "|", "/", "+", "=", "--- ")) and text.count("`") % 2 == 0


def _clauses(text: str, room: int) -> Iterator[str]:
    """Yield beginnings of the text that end with a clause and fit into `room` characters, the longest first."""
    opens_aside = bool(_SUBORDINATE.match(text))
    marks = [mark for mark in _CLAUSE_ENDS if not mark.startswith((",", "，"))] if opens_aside else _CLAUSE_ENDS
    ends = sorted({place for mark in marks for place in _positions(text, mark, room)}, reverse=True)
    for place in ends:
        clause = _balanced(text[:place])
        if _is_main_clause(clause):
            yield clause
    if not opens_aside:
        for place in sorted({place for mark in _CONNECTIVES for place in _positions(text, mark, room - 1)}, reverse=True):
            clause = _balanced(text[:place])
            if _is_main_clause(clause) and len(clause) >= room // 2:
                yield clause + "…"


def _words_within(text: str, room: int) -> str:
    """Return as many whole words of the text as `room` characters hold."""
    return text[:room] if _EAST_ASIAN.search(text) else text[: max(text.rfind(" ", 0, room + 1), 0)] or text[:room]


def _positions(text: str, mark: str, room: int) -> Iterator[int]:
    place = text.find(mark, MIN_CLAUSE)
    while 0 < place <= room:
        if text.count("`", 0, place) % 2 == 0 and text.count("(", 0, place) <= text.count(")", 0, place):
            yield place
        place = text.find(mark, place + 1)


def _is_main_clause(clause: str) -> bool:
    """Tell whether it is a main clause: it has a verb, isn't only a subordinate clause, and doesn't break off before a needed word."""
    bare = _CODE.sub("x", clause)
    if _EAST_ASIAN.search(clause):
        return len(clause) >= MIN_CLAUSE // 2
    if len(clause) < MIN_CLAUSE or len(clause.split()) < 4 or _INCOMPLETE_END.search(bare) or not _has_verb(bare):
        return False
    if _GERUND.match(bare) and not _FINITE.search(bare):
        return False
    for mark in (": ", " - ", " — "):
        rest = bare.rpartition(mark)[2]
        if rest != bare and _SUBORDINATE.match(rest) and ", " not in rest:
            return False
    if not _SUBORDINATE.match(bare):
        return True
    _, comma, main = bare.rpartition(", ")
    return bool(comma) and _has_verb(main) and not re.match(r"(?:and |or )?(?:if|when)\b", main)


def _has_verb(text: str) -> bool:
    """Tell whether a text has a verb. Few are known outside English: in another language, one is assumed."""
    return bool(_VERB.search(text)) or (is_foreign(text) and (len(text.split()) >= 4 or bool(_EAST_ASIAN.search(text))))


def without_lead(text: str) -> str:
    """Strip opening phrases: `No,`, `Note that`, `The root cause was that`."""
    lesson = text.strip()
    while (shorter := _LEAD.sub("", lesson, count=1)) != lesson and len(shorter) >= MIN_CLAUSE:
        lesson = shorter
    return lesson


def heading_of(heading: str) -> str:
    """Return a section's heading if it is meaningful alone, else ""."""
    text = heading.strip(" :*#").rstrip(".")
    if (
        not 12 <= len(text) <= MAX_TITLE
        or _GENERIC_HEADING.match(text)
        or (_GERUND.match(text) and not _FINITE.search(text))
        or is_dangling(text)
        or _WEAK.match(text)
        or _PATH.fullmatch(text)
    ):
        return ""
    return text if len(text.split()) >= 3 or _EAST_ASIAN.search(text) else ""


def subject_of(text: str, heading: str = "") -> str:
    """Return the first identifier that the text names, else the section's heading if it is short, else ""."""
    found = _CODE.search(text) or _NAME.search(text)
    if found:
        name = found[found.lastindex or 0].strip()
        if 2 <= len(name) <= 40:
            return name
    heading = heading.strip(" :*#")
    return heading if 3 <= len(heading) <= 32 else ""


def _balanced(text: str) -> str:
    """Drop an unclosed backtick or bracket and trailing punctuation."""
    text = text.rstrip(" ,;:—–-")
    if text.count("`") % 2:
        text = text.replace("`", "")
    if text.count("(") > text.count(")"):
        cut = text.rfind("(")
        text = text[:cut].rstrip() if cut >= MIN_CLAUSE else text
    return text
