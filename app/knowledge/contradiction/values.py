"""Values that two statements can be compared by: amounts with their unit in one measure, and names in one spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from app.knowledge.subjects.products import PRODUCTS

_UNIT_FORMS = {
    (
        "time",
        1,
    ): "ms msec millis millisecond milliseconds millisekunde millisekunden milliseconde millisecondes milisegundo milisegundos 毫秒",
    ("time", 1_000): "s sec secs second seconds sekunde sekunden seconde secondes segundo segundos 秒",
    ("time", 60_000): "min mins minute minutes minuten minuto minutos 分钟 分",
    ("time", 3_600_000): "h hr hrs hour hours stunde stunden heure heures hora horas 小时",
    ("time", 86_400_000): "d day days tag tage tagen jour jours día días dia dias 天",
    ("time", 604_800_000): "week weeks woche wochen semaine semaines semana semanas 周",
    ("time", 2_629_800_000): "month months monat monate monaten mois mes meses mês 个月",
    ("time", 31_557_600_000): "year years jahr jahre jahren an ans année années año años ano anos 年",
    ("size", 1): "b byte bytes octets 字节",
    ("size", 1_024): "kb kib kilobyte kilobytes ko",
    ("size", 1_048_576): "mb mib megabyte megabytes mo",
    ("size", 1_073_741_824): "gb gib gigabyte gigabytes go",
    ("size", 1_099_511_627_776): "tb tib terabyte terabytes to",
    ("share", 1): "% percent prozent",
}
UNITS: Mapping[str, tuple[str, int]] = {form: unit for unit, forms in _UNIT_FORMS.items() for form in forms.split()}
"""Form of a unit → (measure, factor of its smallest unit)."""
_WORD_UNITS = "|".join(sorted((re.escape(form) for form in UNITS if form != "to"), key=len, reverse=True))
_SPELLED = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty ninety".split()  # noqa: SIM905
_NUMBERS = dict(zip(_SPELLED, (*range(2, 13), 15, 20, 30, 40, 50, 60, 90), strict=True))
AMOUNT = re.compile(
    rf"(?<![.,:/@#$%&-])(?<![^\W\u3400-\u9fff])(?P<digits>v?\d+(?:[.,:]\d+)*|(?:{'|'.join(_SPELLED)})(?=[ -]))(?:[ -]?(?P<unit>{_WORD_UNITS}))?(?![^\W\u3400-\u9fff]|[%/(-]|[.,:]\w| ?(?:million|billion|thousand|millionen|tausend|millones|mil|milhões|mille|[万亿])\b)",
    re.IGNORECASE,
)
_FORMED = re.compile(r"[\w@./+#-]*(?:\d|[_@./#]|\w-\w|[a-z][A-Z])[\w@./+#-]*")
_GROUPED, _GROUPED_BY_DOTS = re.compile(r"\d{1,3}(?:,\d{3})+"), re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_DECIMAL_COMMA = re.compile(r"\d+(?:\.\d{3})*,\d+")
SAME_TIME = 0.02
"""Share by which two times may differ that are one: `30 days` and `1 month`, `12 months` and `1 year`."""
SAME_SIZE = frozenset(Decimal(1_024) ** power / Decimal(1_000) ** power for power in range(1, 5))
"""Ratios of two sizes that are one, in units of 1,024 and of 1,000: `1 GB` and `1000 MB`."""
_PREFIXES = ("apache-", "aws-", "amazon-", "google-", "hashicorp-")
_SAME = {
    "postgresql": "postgres",
    "k8s": "kubernetes",
    "mongo": "mongodb",
    "golang": "go",
    "js": "javascript",
    "ts": "typescript",
    "rabbit": "rabbitmq",
}


def amount(digits: str, unit: str, *, dots_group: bool = False) -> str:
    """Return an amount in one spelling: `1 minute` and `60 s` are the same. `dots_group`: `1.000` is a thousand, as in German."""
    number = str(_NUMBERS.get(digits.casefold(), "")) or _number(digits.casefold().removeprefix("v"), dots_group=dots_group)
    measure, factor = UNITS.get(unit.casefold(), ("", 1))
    if not measure or number.count(".") > 1 or ":" in number:
        return number
    return f"{(Decimal(number) * factor).normalize():f} {measure}"


def _number(digits: str, *, dots_group: bool) -> str:
    """Return a number without signs between its thousands, and with a point for a decimal comma: `1,5` is no 15."""
    if _DECIMAL_COMMA.fullmatch(digits) and not _GROUPED.fullmatch(digits):
        return digits.replace(".", "").replace(",", ".")
    if dots_group and _GROUPED_BY_DOTS.fullmatch(digits):
        return digits.replace(".", "")
    return digits.replace(",", "")


def is_name(word: str, *, capitals: bool = True) -> bool:
    """Tell whether a word is a name rather than any word: a product, formed like code, or, where `capitals` tell, capitalised."""
    plain = word.casefold()
    return plain in PRODUCTS or plain in _SAME or bool(_FORMED.fullmatch(word)) or (capitals and word[:1].isupper() and len(word) > 1)


def name(words: str) -> str:
    """Return a name in one spelling."""
    plain = "-".join(words.casefold().split())
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    plain = re.sub(r"(?<=\w)\.(?:js|io)$|s$(?<=js)", "", plain)
    return _SAME.get(plain, plain)


def exclude_each_other(one: str, other: str) -> bool:
    """Tell whether two values, in one spelling, can't both be meant: neither is the other, said more exactly."""
    if one.endswith(" time") and other.endswith(" time"):
        shorter, longer = sorted(Decimal(each.removesuffix(" time")) for each in (one, other))
        return shorter < longer * Decimal(1 - SAME_TIME)
    if one.endswith(" size") and other.endswith(" size"):
        smaller, larger = sorted(Decimal(each.removesuffix(" size")) for each in (one, other))
        return smaller < larger and (not smaller or larger / smaller not in SAME_SIZE)
    ours, theirs = set(_parts(one)), set(_parts(other))
    return not (ours <= theirs or theirs <= ours) and not (one.startswith(f"{other}.") or other.startswith(f"{one}."))


def _parts(value: str) -> Iterator[str]:
    yield from re.split(r"[-/_ ]", value) if not value[:1].isdigit() else (value,)
