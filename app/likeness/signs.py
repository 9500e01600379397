"""The signs that say something: operators, empty brackets, a sign alone between spaces. All others are punctuation or emphasis.

Knows one pattern, no texts: `tokenization` reads with it, before punctuation is taken for the end of a clause.
"""

from __future__ import annotations

_HALF = r"[^()\[\]\n,]{1,40}"
_BEFORE = r"(?<![^\s(\[{])"
_QUOTED = r"(?<=[`\"'“])[^\w\s`\"'“”]{1,8}(?=[`\"'”])"  # `;`
_EMPTY = r"\[\]|\{\}|<>|(?<!\w)\(\)"  # a call's brackets may be missing: `flush()`, `flush`
_HALF_OPEN = rf"\[(?={_HALF},{_HALF}\))|\((?={_HALF},{_HALF}\])"  # `[0, 1)`
_COMPOUND = r"<-(?!-)>?|<=>|[<>=!~]=+|=~|!~|&&|\|\||<<|>>|\?\?|:=|[-+*/%|&^]="
_ATTACHED = (
    r"(?<=\w)(?:[*^]{1,2}|\.{2,3})(?=\w)"  # `a*b`, `1..5`
    r"|(?<=\d)/(?=\d)|(?<=\w)\#(?!\w)"  # `1/2`, `C#`
    r"|(?<!\w)\*{1,2}(?=\.\w)|(?<=\w)[?!](?=\.\w)"  # `*.py`, `a?.b`
    r"|(?<!\S)[_'\"](?=[\s.,;]|$)"  # `_`
    r"|@(?=\w)|(?<![\w!?.])!(?=\w)"  # `@cache`, `!ready`
    r"|(?<!\w)[~^=]{1,2}(?=[ ]?v?\d)"  # `~1.2.0`
)
_ALONE = rf"{_BEFORE}(?!\.\.|=\s)[^\w\s()\"'`“”$–—…·-][^\w\s()\"'`“”$–—…·]{{0,3}}?(?=[\s)\]}}\"'`”]|[.,;:!?]?(?:\s|$))"  # ` * `, ` ; `
SIGN = f"{_QUOTED}|{_EMPTY}|{_HALF_OPEN}|{_COMPOUND}|{_ATTACHED}|{_ALONE}"
"""A pattern for one sign that is a word."""
LIST_MARKS = frozenset("-*#•")
"""Signs that alone at the beginning of a line open an item or a heading."""
