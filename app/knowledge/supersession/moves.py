# ruff: noqa: RUF001  # Cyrillic letters that look like Latin ones are meant
"""Reads one sentence of further languages: "move X from A to B". Italian, Dutch, Swedish, Danish, Polish, Russian, Ukrainian, Japanese.

The six languages of `statements` and `words` are read in many ways; here a change is the one verb, and a word of doubt ends it.
"""

from __future__ import annotations

from typing import NamedTuple

_ARTICLE = r"(?:il |lo |la |i |gli |le |l['’]|de |het |een |den |det )?"


class _Move(NamedTuple):
    """Stems of verbs of change, and the words before the value that is given up and before the one that comes."""

    verbs: str
    from_: str
    to: str


ITALIAN_TO = r"(?:a|al|alla|allo|ai|agli|alle|verso|su)"
"""Behind it comes the new value: `da A a B` gives no reason, as `da` does in German."""
_MOVES = (
    _Move("spost|migr|pass|cambi|trasfer", "da|dal|dalla|dallo|dai|dagli|dalle", ITALIAN_TO),
    _Move("verplaats|migre|verhuis|verhuiz|schakel|stap|zet", "van", "naar|op"),
    _Move("flyt|migrer|byt|skift|overfør", "från|fra", "till|til"),
    _Move("przen|migr|zmigr|przełącz|przejd|przechodz|przes", "z|ze", "do|na"),
    _Move("перен|мигр|перевед|перевод|переез|переключ|переход|перейд", "из|с|со", "в|на|к"),
    _Move("перен|мігр|перевед|перевод|переїз|перемк|переход|перейд", "з|із|зі", "в|у|на|до"),
)
JAPANESE = r"(?P<object>[^。、]{1,40}?)\s*(?P<old>[A-Za-z0-9][\w.+#/-]{0,40})\s*から\s*(?P<new>[A-Za-z0-9][\w.+#/-]{0,40})\s*[にへ]\s*(?:移行|移動|切り替え|切替|変更|移し|移す)"
ENDS = "da|van|naar|från|fra|till|til|z|do|na|из|в|на|з|verso|over"
"""Words that no value goes on with."""


def patterns(value: str) -> tuple[str, ...]:
    """Return a pattern for each language, with the groups `object`, `old` and `new`. `value`: what matches a value."""
    return tuple(
        rf"\b(?:{move.verbs})\w*\b(?P<object>[^.;]*?) (?:{move.from_}) {_ARTICLE}(?P<old>{value}) (?:{move.to}) {_ARTICLE}(?P<new>{value})"
        for move in _MOVES
    )


GIVE_UP = "|".join(move.from_ for move in _MOVES)
"""Words without which no pattern matches."""
STOP_WORDS = """
    gli degli delle dello della dei nel nella negli nelle tramite mediante attraverso ogni nostri nostre tutti tutte sono salviamo conserviamo
    verstuur stuur publiceer bewaar zet het een voor onze via worden wordt naar bij
    och från till våra genom för att ett skickas sparas
    og fra til vores gennem
    przez przy dla nasze nasz wszystkie są
    через для все наши мы в на
    через для всі наші ми у
    してください して する します しています している ください
"""
DOUBTED = (
    r"forse|potremmo|dovremmo|vorremmo|valut\w+|finché|per ora|temporaneamente|anche|soltanto|qualora|misschien|zouden|zullen|overweeg\w*|wanneer|totdat|tijdelijk|voorlopig|"
    r"ook|alleen|probeer|proberen|kanske|skulle|borde|överväg\w*|tills|tillfälligt|också|bara|endast|prova|måske|skulle|overvej\w*|midlertidigt|også|kun|być może|moglibyśmy|jeśli|"
    r"jeżeli|gdyby|kiedy|dopóki|tymczasowo|na razie|także|również|też|tylko|spróbuj\w*|rozważ\w*|возможно|может|если|когда|пока|временно|тоже|также|только|попробу\w+|"
    r"можливо|якщо|коли|поки|тимчасово|теж|також|тільки|лише|спробу\w+|pensiamo|pianific\w*|intend(?:o|iamo|ono)|vogliamo|vorrei|prossim\w+|willen|plannen|van plan|volgend\w*|"
    r"planerar|vill|tänker|nästa|planlægger|næste|planuj\w*|zamierz\w*|chcemy|chciał\w*|następn\w*|планиру\w*|хотим|хочу|собира\w*|будем|следующ\w*|плану\w*|хочемо|збира\w*|будемо|наступн\w*"
)
"""Words of a sentence that asks, plans or tries, or holds under a condition, for a time or for a part."""
DENIED = (
    r"non(?!-)|(?<!\S )mai(?= (?:più|\w+[aei]re)\b|\W*\|)|senza|annullat\w*|rifiutat\w*|niet|nooit|geen|zonder|teruggedraaid|afgewezen|inte|aldrig|utan|återställ\w*|avvis\w*|ikke|aldrig|uden|afvist|nie|nigdy|bez|"
    r"odrzuc\w*|wycof\w*|не|никогда|без|отмен\w*|отклон\w*|ні|ніколи|скасов\w*|відхил\w*|indietro|terug|tillbaka|tilbage|z powrotem|обратно|назад|вернул\w*|повернул\w*"
)
"""Words by which a sentence is denied, or a change was taken back. Not `non-critical`, and not the month that German and French call `mai`."""

# Beside Japanese letters there is no word boundary.
DOUBTED_JAPANESE = (
    "予定|計画|検討|提案|場合|かもしれ|べき|ですか|ますか|だろうか|でしょうか|たい(?=$|です|と)|つもり|一時的|暫定|だけ|のみ|試験的|試しに"
)
DENIED_JAPANESE = "しない|しません|せず|なかった|ません|てはいけ|禁止|中止|取りやめ|取り消|撤回|却下|見送|やめ|戻し|戻す|戻った"
