"""Finds wallets' seed phrases: 12, 15, 18, 21 or 24 short words in a row, after a word that announces one.

Judged by the announcement and BIP-39's shape; its word lists are not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule
from app.redaction.languages import anchors, pattern

_ANNOUNCED = (
    *("seed phrase", "seed phrases", "seed-phrase", "seedphrase", "seed_phrase", "seed words", "seed", "recovery phrase", "recovery words"),
    *(
        "recovery seed",
        "recovery_phrase",
        "recovery-phrase",
        "backup phrase",
        "secret phrase",
        "wallet phrase",
        "mnemonic phrase",
        "mnemonic",
    ),
    *("mnemonics", "mnemonic_phrase", "bip39", "bip-39", "bip 39", "wallet words", "wiederherstellungsphrase", "wiederherstellungswörter"),
    *("wiederherstellungsschlüssel", "merksatz", "phrase de récupération", "phrase secrète", "phrase mnémonique", "phrase de graine"),
    *(
        "frase semilla",
        "frase de recuperación",
        "palabras semilla",
        "frase mnemotécnica",
        "frase de recuperação",
        "frase semente",
        "frase-semente",
    ),
    *(
        "palavras-semente",
        "frase mnemônica",
        "frase di recupero",
        "frase seed",
        "frase mnemonica",
        "fraza odzyskiwania",
        "fraza seed",
        "fraza",
    ),
    *("kurtarma ifadesi", "kurtarma kelimeleri", "tohum ifadesi", "anımsatıcı", "obnovovací fráze", "återställningsfras", "herstelzin"),
    *("herstelfrase", "сид-фраза", "сид фраза", "мнемоническая фраза", "мнемоника", "секретная фраза", "фраза восстановления"),
    *(
        "助记词",
        "助記詞",
        "恢复短语",
        "助记符",
        "ニーモニック",
        "リカバリーフレーズ",
        "シードフレーズ",
        "復元フレーズ",
        "니모닉",
        "복구 구문",
        "시드 구문",
    ),
)
_COUNTS = frozenset({12, 15, 18, 21, 24})
_MIN_DISTINCT = 8
"""Minimum distinct words: `test test … junk` and `abandon abandon … about` are public examples."""
_LEAD = re.compile(
    rf"(?:{pattern(_ANNOUNCED)})(?P<rest>[^\n:=\uff1a→>]{{0,60}}?(?:[:=\uff1a→]|=>|->|[ ](?:is|are|was|ist|lautet|est|es|é|è|to|je|är)(?=[ \n])|[是はが为為]|\n|[ ]?(?=[`\"'“]\w))"
    r"(?:[ \t\u3000\"'`“„«「\[(*>]|\\?[\"']|\r?\n|\\n){0,40})",
    re.IGNORECASE,
)
_BETWEEN = r"(?>[ \t\u3000\u00a0]{0,4}(?:[,;]|\"?'?,[ ]?[\"']|\r?\n|\\n)?[ \t\u3000\u00a0>|]{0,12}(?:\d{1,2}[.):]?[ \t]{1,4})?[\"'`]?)"
_LATIN = re.compile(rf"(?:1[.):]?[ \t]{{1,4}})?(?:[a-zà-ÿ\u0300-\u036f]{{3,10}}+(?![\w-]|'[a-z]){_BETWEEN}){{11,30}}+", re.IGNORECASE)
_ASIAN = re.compile(
    r"(?:[\u3041-\u309f\u3099]{2,8}[ \u3000\n]{1,2}|[\u4e00-\u9fff][ \u3000\n]{1,2}|[\uac00-\ud7a3]{2,8}[ \u3000\n]{1,2}){11,23}+(?:[\u3041-\u309f]{2,8}|[\u4e00-\u9fff](?![\u4e00-\u9fff])|[\uac00-\ud7a3]{2,8})"
)
_WORD = re.compile(r"[^\W\d_]+")
# Common words that are in no BIP-39 list: one of them marks a sentence.
_SENTENCE = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "was",
        "were",
        "with",
        "from",
        "your",
        "has",
        "its",
        "our",
        "their",
        "which",
        "should",
        "would",
        "could",
        "been",
        "being",
        "them",
        "these",
        "those",
        "does",
        "did",
        "had",
        "but",
        "not",
        "can",
        "words",
        "phrase",
        "wallet",
        "seed",
        "mnemonic",
        "recovery",
        "password",
        "und",
        "der",
        "die",
        "das",
        "ein",
        "eine",
        "ist",
        "sind",
        "nicht",
        "mit",
        "für",
        "von",
        "den",
        "dem",
        "des",
        "sich",
        "auf",
        "im",
        "wird",
        "werden",
        "les",
        "des",
        "une",
        "est",
        "sont",
        "avec",
        "pour",
        "dans",
        "sur",
        "qui",
        "que",
        "votre",
        "vos",
        "los",
        "las",
        "una",
        "que",
        "con",
        "por",
        "para",
        "del",
        "sus",
        "como",
        "não",
        "uma",
        "com",
        "para",
        "seu",
        "sua",
        "dos",
        "das",
        "il",
        "lo",
        "gli",
        "una",
        "che",
        "con",
        "per",
        "del",
        "della",
        "sono",
        "questa",
        "questo",
        "nie",
        "jest",
        "dla",
    ]
)


def _phrase(text: str, at: int) -> Iterator[Finding]:
    if not (lead := _LEAD.match(text, at)):
        return
    for shape in (_LATIN, _ASIAN):
        if (match := shape.match(text, lead.end())) and (end := _end(text, match)) is not None:
            yield Finding("seed-phrase", lead.end(), end)
            return


def _end(text: str, match: re.Match[str]) -> int | None:
    words = list(_WORD.finditer(text, *match.span()))
    said = [word[0].lower() for word in words]
    if len(words) not in _COUNTS:
        return None
    if len(set(said)) < _MIN_DISTINCT or _SENTENCE.intersection(said) or len({_case(word[0]) for word in words}) > 1:
        return None
    return words[-1].end()


def _case(word: str) -> str:
    return "upper" if word.isupper() and len(word) > 1 else "title" if word.istitle() else "lower"


RULES = (RedactionRule(anchors(_ANNOUNCED), _phrase),)
