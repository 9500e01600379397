"""Tells a reply in which the agent says that its work is done. Words only, in the languages that teams write most; pure."""

from __future__ import annotations

import re

from app.trajectory.events.mentions import Mentions

MAX_CHARS = 1_500
"""Characters of a reply that are read from its beginning, and the last ones of those for what it announces."""
MAX_TAIL = 300
_NOUN = r"(?:implementation|feature|fix|refactor(?:ing)?|changes?|migration|task|work|bug|issue|update|setup|integration|test suite|everything|all tasks|all changes)"
# The text is given after a line's end: a set of characters comes first, which the engine looks for in C.
_DONE = re.compile(
    rf"[.!\n*#✅🎉]\s{{0,4}}(?:(?:all |we're |i'm |now )?done\b(?! so far| yet)[.!:,—-]"
    rf"|(?:the |this |that |your )?{_NOUN} (?:is|are) (?:now )?(?:fully |all )?(?:complete|completed|done|finished|fixed|ready|in place|resolved|working)\b"
    rf"|(?:everything|it all|all (?:the )?(?:tests|checks)) (?:now )?(?:pass(?:es)?|works?|succeeds?|(?:is|are) (?:passing|green|working|complete|done|in place))\b"
    rf"|(?:i|i've|i have|we've|we have) (?:now )?(?:successfully )?(?:implemented|fixed|completed|finished|resolved|refactored|migrated)\b"
    rf"|(?:perfect|great|excellent)! (?:the |all |everything |your )?{_NOUN}? ?(?:is|are|has|have)? ?(?:now )?(?:been )?(?:complete|completed|done|fixed|implemented|working)\b"
    r"|(?:已经?|全部|均已)(?:完成|修复|实现|解决)|完成了|修好了|搞定"
    r"|(?:erledigt|fertig|abgeschlossen|behoben)\b[.!]|(?:c'est fait|terminé|corrigé)\b[.!]|(?:listo|hecho|terminado|completado|corregido)\b[.!]"
    r"|(?:pronto|concluído|corrigido)\b[.!]|(?:готово|исправлено|завершено)\b[.!]|(?:完了しました|修正しました|実装しました)|(?:완료|수정)(?:했습니다|되었습니다))",
    re.IGNORECASE,
)
_MENTIONED = Mentions(
    {
        "done": (
            *("done", "complete", "finished", "fixed", "ready", "in place", "resolved", "work", "pass", "succeed", "green"),
            *("implemented", "refactored", "migrated", "perfect! ", "great! ", "excellent! "),
            *("完成", "修复", "实现", "解决", "修好了", "搞定", "修正しました", "実装しました", "완료", "수정"),
            *("erledigt", "fertig", "abgeschlossen", "behoben", "c'est fait", "terminé", "corrigé", "listo", "hecho", "terminado"),
            *("completado", "corregido", "pronto", "concluído", "corrigido", "готово", "исправлено", "завершено", "完了しました"),
        )
    }
)
"""Words of which `_DONE` needs one."""
_GOES_ON = re.compile(
    r"(?:\b(?:let me|let's|i'll|i will|now i|next,? i|i need to|i'm going to|should i|shall i|would you like|do you want)\b|接下来|现在让我|下一步)[^.!?。！？\n]{0,200}[.:：。!?？！]?\s*$|[:：]\s*$",
    re.IGNORECASE,
)
_NOT_YET = re.compile(
    r"\b(?:not (?:yet )?(?:done|complete|tested|verified|run)|haven't (?:run|tested)|could(?: not|n't) (?:run|verify|test)|untested|still (?:fails?|failing|broken)|remaining)\b",
    re.IGNORECASE,
)


def says_done(text: str) -> bool:
    """Tell whether a reply says that the work is done: not of one part before it goes on, and not with a reservation."""
    head = text[:MAX_CHARS]
    if not _MENTIONED.in_text(head) or _DONE.search(f"\n{head}") is None or _NOT_YET.search(head):
        return False
    return _GOES_ON.search(text[-MAX_TAIL:].rstrip()) is None
