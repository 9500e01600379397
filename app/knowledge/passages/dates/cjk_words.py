"""Chinese and Japanese time words, which are written without spaces. Only the lexicon, as in `words`."""

from __future__ import annotations

import re

from app.knowledge.passages.dates.periods import Unit
from app.knowledge.passages.dates.words import Meaning

_CJK_UNITS: dict[Unit, str] = {
    "day": "天 日間 日间", "week": "周 週 星期 礼拜 禮拜 周间 週間 个星期 個星期 个礼拜 個禮拜",
    "month": "个月 個月 か月 ヶ月 ケ月 カ月 ヵ月 箇月 か月間 ヶ月間", "quarter": "个季度 個季度 四半期", "year": "年間",
}  # fmt: skip
_CJK = {
    "day": {0: "今天 今日 きょう", -1: "昨天 昨日 きのう", -2: "前天 一昨日 おととい"},
    "past": {0: "过去 過去 最近 近 この ここ 直近"},
    "later": {0: "之后 之後 以后 以後 より後 の後"},
    "onward": {0: "以来 以來 以降 から 起 开始 開始"},
    "ago": {0: "之前 以前 前 より前 の前"},
    "since": {0: "自从 自從 自 从 從"},
    "joined": {0: "到 至 和 与 與 と 或"},
    "the": {0: "の 之间 之間 间 間 まで の間 的"},
    "on": {0: "在 于 於"},
    "every": {0: "每个 每個 每 毎"},
    "month_mark": {0: "月份 月"},
}
_RELATIVES: dict[tuple[Unit, int], str] = {
    ("week", 0): "本周 这周 這週 这个星期 這個星期 本星期 今週",
    ("week", -1): "上周 上週 上个星期 上個星期 上星期 上礼拜 上个礼拜 先週",
    ("week", -2): "上上周 上上週 先々週",
    ("month", 0): "本月 这个月 這個月 今月",
    ("month", -1): "上个月 上個月 上月 先月",
    ("month", -2): "上上个月 上上個月 先々月",
    ("quarter", 0): "本季度 这个季度 這個季度 今四半期",
    ("quarter", -1): "上季度 上个季度 上個季度 前四半期",
    ("year", 0): "今年",
    ("year", -1): "去年 昨年",
    ("year", -2): "前年 一昨年",
}
CHINESE_WEEKS = {"上上": -2, "上": -1, "这": 0, "這": 0, "本": 0}
CHINESE_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
JAPANESE_WEEKDAYS = "月火水木金土日"
_CHINESE_WEEKDAY = (
    "(?:(?P<week>上上|上|这|這|本)[个個]?|(?<![个個每下]))(?P<sort>[周週]|星期|礼拜|禮拜)"
    "(?P<chinese>[一二三四五六日天])(?![共些个個直次起样般定月号间天边])"
)  # fmt: skip
_SAFE = {
    "上周": "(?<!以)上周(?![期边围长])",
    "本周": "(?<!日)本周(?![期边围长])",
    "这周": "这周(?![期边围长])",
    "上月": "(?<!以)上月",
    "本月": "(?<!日)本月",
    "去年": "(?<!过)去年",
    "前天": "(?<![目以之0-9天])前天(?![气空花])",
    "今日": "今日(?!は、)",
    "前年": "(?<![0-9])前年",
    "前": "前(?![端缀提面者台景置])",
}
"""Patterns that exclude longer words which contain the time word: 以上周期 is "the periods above"."""
CJK_NUMERALS = {sign: value for value, sign in enumerate("一二三四五六七八九十", 1)} | {"两": 2, "兩": 2}


def _cjk() -> tuple[re.Pattern[str], dict[str, Meaning]]:
    made: dict[str, Meaning] = {}
    for kind, table in _CJK.items():
        for value, words in table.items():
            made |= dict.fromkeys(words.split(), Meaning(kind, value))
    made |= {"年": Meaning("year_mark", unit="year")} | dict.fromkeys("日号號", Meaning("day_mark", unit="day"))
    made |= {f"第{sign}季度": Meaning("quarter", CJK_NUMERALS[sign]) for sign in "一二三四"}
    made |= {word: Meaning("units", unit=unit) for unit, words in _CJK_UNITS.items() for word in words.split()}
    made |= {word: Meaning("relative", offset, unit) for (unit, offset), words in _RELATIVES.items() for word in words.split()}
    words = "|".join(_SAFE.get(word, re.escape(word)) for word in sorted(made, key=len, reverse=True))
    return re.compile(
        f"{_CHINESE_WEEKDAY}|(?P<japanese>[月火水木金土日])曜日?|(?P<word>{words})|(?P<number>[{''.join(CJK_NUMERALS)}]+)"
    ), made


CJK_TOKEN, CJK_LEXICON = _cjk()
