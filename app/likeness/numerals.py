"""Read numbers in words and in ideographs: `twenty-five`, `two hundred and six`, `十五`. Knows no units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_TENS = {"十": 10, "百": 100, "千": 1_000}
_MYRIADS = {"万": 10_000, "亿": 100_000_000}
DOZEN = "dozen"
_MULTIPLIERS = {DOZEN: 12, "hundred": 100, "thousand": 1_000, "million": 1_000_000}
MAX_TOKENS = 12


def number_at(texts: Sequence[str], place: int, names: Mapping[str, int]) -> tuple[int, int]:
    """Return the number that begins at a place, and of how many tokens it is; 0 tokens if none does. `names`: a language's."""
    if texts[place] in _DIGITS or texts[place] in _TENS:
        return _ideographic(texts[place : place + MAX_TOKENS])
    if texts[place] in names or texts[place] == DOZEN:
        return _spelled(texts[place : place + MAX_TOKENS], names)
    return 0, 0


def _spelled(texts: Sequence[str], names: Mapping[str, int]) -> tuple[int, int]:
    total = part = length = 0
    for text in texts:
        if text in _MULTIPLIERS and (length or text == DOZEN):
            part = (part if length else 1) * _MULTIPLIERS[text]
            if _MULTIPLIERS[text] > 100:
                total, part = total + part, 0
        elif text in names and _continues(total + part, names[text], length):
            part += names[text]
        else:
            break
        length += 1
    return total + part, length


def _continues(number: int, value: int, length: int) -> bool:
    """Tell whether a number goes on: `twenty one`, `two hundred six`; but `two thirty` and `one two` are two numbers."""
    if number % 100 == 0:
        return number > 0 or not length
    return number % 10 == 0 and number % 100 >= 20 and 0 < value < 10


def _ideographic(texts: Sequence[str]) -> tuple[int, int]:
    total = section = digit = length = 0
    if _is_range(texts):
        return _DIGITS[texts[0]], 1
    for text in texts:
        if text in _DIGITS:
            digit = 10 * digit + _DIGITS[text]
        elif text in _TENS:
            section, digit = section + (digit or 1) * _TENS[text], 0
        elif text in _MYRIADS:
            total, section, digit = total + (section + digit or 1) * _MYRIADS[text], 0, 0
        else:
            break
        length += 1
    return total + section + digit, length


def _is_range(texts: Sequence[str]) -> bool:
    """Tell whether two digits without a place value tell two numbers: `两三天` is two or three days."""
    digits = [text in _DIGITS for text in texts[:3]]
    return digits[:2] == [True, True] and not any(digits[2:])
