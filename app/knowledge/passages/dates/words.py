"""Time words in English, German, French, Spanish, Chinese and Japanese, and the kind of each.

Only the lexicon: `grammar` combines kinds into periods. Latin words are written without accents and in lower case.
"""

from __future__ import annotations

import re
from itertools import product
from typing import NamedTuple

from app.knowledge.passages.dates.periods import Unit

ACCENTS = str.maketrans("àáâãäåçèéêëìíîïñòóôõöùúûüýÿÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜÝ", "aaaaaaceeeeiiiinooooouuuuyyAAAAAACEEEEIIIINOOOOOUUUUY")


class Meaning(NamedTuple):
    """A word's kind, number (units from now, the month, the weekday with Monday 0, or the quarter) and unit."""

    kind: str
    number: int = 0
    unit: Unit | None = None


def _inflected(stems: str, endings: str) -> str:
    return " ".join(stem + ending for stem, ending in product(stems.split(), ["", *endings.split()]))


_MONTHS = (
    "january januar janner jaenner janvier enero", "february februar fevrier febrero", "marz maerz mars marzo", "april avril abril",
    "mai mayo", "june juni juin junio", "july juli juillet julio", "august aout agosto", "september septembre septiembre",
    "october oktober octobre octubre", "november novembre noviembre", "december dezember decembre diciembre",
)  # fmt: skip
_ABBREVIATED = ("jan", "feb", "mar mrz", "apr", "", "jun", "jul", "aug", "sep sept", "oct okt", "nov", "dec dez")
_WEEKDAYS = (
    "monday montag lunes", "tuesday dienstag martes", "wednesday mittwoch miercoles", "thursday donnerstag jueves",
    "friday freitag viernes", "saturday samstag sonnabend sabado", "sunday sonntag domingo",
)  # fmt: skip
_FRENCH_WEEKDAYS = "lundi mardi mercredi jeudi vendredi samedi dimanche"
_NUMBERS = {
    2: "two zwei deux dos couple", 3: "three drei trois tres", 4: "four vier quatre cuatro", 5: "five funf fuenf cinq cinco",
    6: "six sechs seis", 7: "seven sieben siete", 8: "eight acht huit ocho", 9: "nine neun neuf nueve", 10: "ten zehn dix diez",
    11: "eleven elf onze once", 12: "twelve zwolf zwoelf douze doce", 14: "vierzehn quatorze catorce", 15: "fifteen quinze quince",
}  # fmt: skip
_UNITS: dict[Unit, str] = {
    "day": "day tag jour dia",
    "week": "week woche semaine semana",
    "month": "month monat monats mois mes",
    "quarter": "quarter quartal quartals trimestre",
    "year": "year jahr jahres annee an ano",
}
_PLURAL_UNITS: dict[Unit, str] = {
    "day": "days tage tagen jours dias",
    "week": "weeks wochen semaines semanas",
    "month": "months monate monaten meses",
    "quarter": "quarters quartale quartalen trimestres",
    "year": "years jahre jahren annees ans anos",
}
_DAYS = {-1: "yesterday gestern ayer", -2: "vorgestern anteayer"}
_TODAY = "today heute hoy"
_KINDS = {
    "this": f"this current {_inflected('dies aktuell laufend', 'e en er es em')} ce cet cette esta este",
    "past": "past ultimo ultima ultimos ultimas ces estos estas",
    "last_after": f"{_inflected('dernier derniere passe passee precedent precedente pasado pasada', 's')}",
    "one": "a an one ein eine einem einer einen eines un une una uno",
    "in": "in during early mid late im ins anfang mitte ende wahrend waehrend en courant debut mi fin durante principios mediados finales",
    "on": "on am el",
    "since": "since seit depuis desde ab",
    "from": "from von vom",
    "before": "before avant antes",
    "after": "after nach apres despues tras",
    "vor": "vor",
    "between": "between zwischen entre",
    "joined": "and or to until till through und oder bis zum et ou jusqu y o hasta",
    "the": "the den dem der die das le la les los las il",
    "of": "of de du des del",
    "every": "every each any per next upcoming coming jeden jede jedes jeder pro kommenden kommende kommender nachsten nachste nachster"
    " naechsten naechste chaque tous toutes prochain prochaine cada todos todas proximo proxima",
    "than": "than least most under als mindestens hochstens plus moins mas menos",
    "over": "over",
    "noun": "date dates datetime timestamp timestamps button buttons filter filters view tab tabs page column columns label option preset"
    " picker widget chart field format string variable parameter param flag datum filtro fecha bouton",
}
_LAST = {
    -1: f"last previous prior {_inflected('letzt vergangen vorig', 'e en er es em')} vergangne",
    -2: f"{_inflected('vorletzt', 'e en er es em')}",
}


def _lexicon() -> dict[str, Meaning]:
    made: dict[str, Meaning] = {}
    for number, (names, short) in enumerate(zip(_MONTHS, _ABBREVIATED, strict=True), 1):
        made |= dict.fromkeys(short.split(), Meaning("abbreviation", number)) | dict.fromkeys(names.split(), Meaning("month", number))
    made |= {"march": Meaning("ambiguous", 3), "may": Meaning("ambiguous", 5)}
    for number, names in enumerate(_WEEKDAYS):
        made |= dict.fromkeys(names.split(), Meaning("weekday", number))
    made |= {name: Meaning("french_weekday", number) for number, name in enumerate(_FRENCH_WEEKDAYS.split())}
    for kind, words in _KINDS.items():
        made |= dict.fromkeys(words.split(), Meaning(kind, 1))
    for kind, table in (("number", _NUMBERS), ("last", _LAST), ("day", _DAYS)):
        for value, words in table.items():
            made |= dict.fromkeys(words.split(), Meaning(kind, value))
    for kind, units in (("unit", _UNITS), ("units", _PLURAL_UNITS)):
        for unit, words in units.items():
            made |= dict.fromkeys(words.split(), Meaning(kind, unit=unit))
    made |= dict.fromkeys(_TODAY.split(), Meaning("today"))
    return made | {"ago": Meaning("ago"), "hace": Meaning("ago_before"), "hier": Meaning("french_day", -1)}


LEXICON = _lexicon()
_TELLING = {"day", "today", "french_day", "unit", "units", "month", "ambiguous", "weekday", "french_weekday"}
LATIN_TRIGGERS = frozenset(
    {word for word, meaning in LEXICON.items() if meaning.kind in _TELLING} | {"anoche", "hui", "night", "morning", "afternoon", "evening"}
)
"""Without one of these, a digit or a CJK character, a question can't name a period: most questions are rejected here."""

_PHRASES = (
    (r"\b(?:the )?day before yesterday\b|\bavant[- ]hier\b|\bantes de ayer\b", "anteayer"),
    (r"\blast night\b|\bayer por la noche\b|\banoche\b", "yesterday"),
    (r"\b(?:this (?:morning|afternoon|evening)|earlier today|so far today|heute (?:morgen|fruh|vormittag))\b", "today's"),
    (r"\baujourd['’]hui\b", "today"),
    (r"\b(?:the )?(week|month|quarter|year) before last\b", r"vorletzte \1"),
    (r"\bil y a\b", "hace"),
    (r"\bprior to\b", "before"),
    (r"\b(mois|semaine|annee|trimestre)-ci\b", r"\1"),
    (r"\bmid?-(?=[a-z])", "in "),
    (r"\bjusqu['’](?=[a-z])", "until "),
)
PHRASES = tuple((re.compile(pattern, re.IGNORECASE), word) for pattern, word in _PHRASES)
"""Multi-word expressions, replaced by one word before tokenizing."""

FIRST_NAMES = frozenset({"april", "june", "august"})
"""After "of" these may be people's names, not months."""
AFTER_MAY = frozenset({"with", "about", "for", "regarding", "concerning", "did", "was", "were", "when"})
_VERSIONED = (
    "version versions protocol protocols spec specs specification revision revisions api schema model models mcp snapshot header format"
    " parse release tag migration build anthropic openai azure file folder line lines page pages row rows port ports"
)
VERSIONED = frozenset(_VERSIONED.split())
"""Next to one of these words a date is a version's name."""
SINGULARS_IN_S = frozenset({"was", "is", "this", "has", "does", "as"})
MEASURES = frozenset({"ms", "s", "kb", "mb", "gb", "px", "hz", "rpm", "mah"})

_PARTICIPLE = r"(?:\w+ed|been|begun|broken|built|chosen|come|done|found|gone|got|had|kept|learnt|made|run|said|seen|sent|told|written)"
_PRETERITE = r"(?:\w+ed|began|broke|built|came|chose|fell|found|gave|got|hit|kept|learnt|left|made|ran|said|saw|sent|told|took|went|wrote)"
_ACTOR = r"(?:we|i|you|they|he|she|it|who|what|which \w+|that|everyone|somebody|someone|nobody|team|build|ci|deploy|tests?)"
PAST = re.compile(
    r"\b(?:did|didn't|was|were|wasn't|weren't|had|(?:i|we|you|they)['’]ve|new today|stand-?up|recap|summari[sz]e\w*"
    rf"|(?:have|has|haven't|hasn't)(?: \w+){{0,3}} {_PARTICIPLE}|{_ACTOR} {_PRETERITE}"
    r"|hab|habe|haben|hat|hatten?|wurden?|war|waren|passiert\w*"
    r"|avons|avez|ont|etait|etaient|j['’]ai|ai-je|a ete|a-t-\w+|s['’]est"
    r"|hemos|han|fue|fueron|hicimos|hice|paso|\w+(?:amos|imos|aron|ieron))\b"
)
"""Signs of the past tense: without one, "today" means nowadays."""
FRENCH = re.compile(r"\b(?:nous|avons|avez|ont|est|ete|etait|les|une|que|quoi|quel(?:le)?s?|pourquoi|dans|sur|[jldc]['’]|qu['’]|s['’])")
"""Signs of French: `hier` means "yesterday" there, and "here" in German."""
