"""Titles: a subject and its lesson, from the words of a statement; a clause of it, never cut within a word."""

from __future__ import annotations

import re

MAX_TITLE = 90
MIN_CLAUSE = 18
_LEAD = re.compile(
    r"^(?:(?:no|nope|wrong|actually|also|and|but|so|well|remember|btw|by the way|oh|please|hey|ok|okay|yes|now|nein|non|não|不对|不是)[,.:!，。！]? +(?=\S)|"
    r"(?:the )?(?:root cause|(?:actual |real |underlying )?(?:problem|issue|bug|reason|culprit|cause)|fix|solution)(?: here)?(?:[:,]| (?:is|was)(?: that|:)) |"
    r"(?:important|note|warning|caveat|gotcha|key (?:insight|point|finding)|decision|rationale|why|fix(?:ed)?|cause|result|summary|conclusion|correction|remember|achtung|attention|atenção|"
    r"our rule|unsere regel|notre règle|nossa regra|注意|问题(?:是|在于)|(?:根本)?原因(?:是|在于)?)(?: that| is that)?[:：,，]? ?(?=\S)|"
    r"note that |remember that |i(?:'ve| have)? (?:chose|chosen|decided|opted) (?:to |for )?|we (?:have )?(?:decided|chose) to |that's wrong[.,] )",
    re.IGNORECASE,
)
_SUBORDINATE = re.compile(
    r"(?:if|when|to|in|for|by|with|without|after|before|instead|once|since|because|as|while|wenn|si|quand|se|quando|如果|当)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"`([^`\n]{2,48})`")
_NAME = re.compile(r"\b(?:\w+[._/-])+\w+\b|\b[a-z]+[A-Z]\w+\b|\b[A-Z][a-z]+[A-Z]\w+\b|\b[A-Z][A-Z0-9]+_[A-Z0-9_]+\b|\b\w+\(\)")
_CUTS = (
    "; ",
    "；",
    "。",
    ". ",
    " — ",
    " – ",
    ", so ",
    ", which ",
    " so that ",
    ", but ",
    " because ",
    ", because ",
    ", since ",
    ", weil ",
    ", car ",
    ", porque ",
    "，因为",
    " (",
    "，",
    ", ",
)


def title_of(text: str, *, heading: str = "", said_by_person: bool = False) -> str:
    """`subject: lesson`; the lesson alone where it opens with its subject. What a person said is always given a subject."""
    lesson = without_lead(text)
    subject = subject_of(text, heading)
    room = MAX_TITLE - (len(subject) + 2 if subject else 0)
    opens = subject and lesson.replace("`", "").casefold()[: len(subject) + 30].find(subject.casefold()) >= 0
    if not subject or (opens and not said_by_person):
        return _capital(clause(lesson, MAX_TITLE))
    return f"{subject}: {clause(lesson, room)}"


def without_lead(text: str) -> str:
    """The text without the words that only open it: `No,`, `Note that`, `The root cause was that`."""
    lesson = text.strip()
    while (shorter := _LEAD.sub("", lesson, count=1)) != lesson and len(shorter) >= MIN_CLAUSE:
        lesson = shorter
    return lesson


def subject_of(text: str, heading: str = "") -> str:
    """The first piece of code that the text names, else the section's heading where it is short."""
    found = _CODE.search(text) or _NAME.search(text)
    if found:
        name = found[found.lastindex or 0].strip()
        if 2 <= len(name) <= 40:
            return name
    heading = heading.strip(" :*#")
    return heading if 3 <= len(heading) <= 32 else ""


def clause(text: str, room: int) -> str:
    """The text's opening, up to the end of a clause that fits, else up to a word."""
    text = " ".join(text.split()).rstrip(".。:：;；, ")
    first = min((place for mark in (". ", "。", "; ", "；") if (place := text.find(mark, MIN_CLAUSE)) > 0), default=len(text))
    text = text[:first]
    if len(text) <= room:
        return _balanced(text)
    # An opening clause alone says when, not what.
    marks = [mark for mark in _CUTS if not mark.startswith((",", "，"))] if _SUBORDINATE.match(text) else _CUTS
    for mark in marks:
        place = text.rfind(mark, MIN_CLAUSE, room)
        if place > 0:
            return _balanced(text[:place])
    place = text.rfind(" ", 0, room)
    if place <= 0:
        place = next((at for at in range(room - 1, 0, -1) if not (text[at - 1].isascii() and text[at].isascii())), room - 1)
    return _balanced(text[:place].rstrip(" ,;:—–-")) + "…"


def _balanced(text: str) -> str:
    """Without code that was opened and not closed."""
    text = text.rstrip(" ,;:—–")
    if text.count("`") % 2:
        text = text.replace("`", "")
    if text.count("(") > text.count(")"):
        cut = text.rfind("(")
        text = text[:cut].rstrip() if cut >= MIN_CLAUSE else text
    return text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
