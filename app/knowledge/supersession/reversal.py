"""The words by which a change is denied, or was taken back or never made: in the sentence that states it, and behind it.

Languages: English, German, French, Spanish, Portuguese, Chinese and those of `moves`. Any of these words ends it, whatever they belong to: a change that is
overlooked costs less than one that never came.
"""

from __future__ import annotations

import re

from app.knowledge.supersession import moves

_DENIED = (
    rf"\b(?:{moves.DENIED}|not(?! only\b)|never|cannot|neither|nor|nobody|no one|none of|no (?:need|reason|point|plans?|intention|decision|agreement|approval|consensus)"
    r"|mistake|why|against|nicht(?! mehr\b)|nie|niemals|niemand|kein\w*|gegen|pas|jamais|personne|aucun\w*|nunca|jamás|tampoco|nadie|ningun\w*|ningún"
    r"|no (?:se |lo |la |los |las )?(?:h[ae]\w*|fue\w*|est\w+|va\w*|deb\w+|pud\w+|pued\w+|mov\w+|muev\w+|migr\w+|cambi\w+|reemplaz\w+|sustitu\w+|pas\w+|traslad\w+|aprob\w+|acept\w+|acord\w+|hizo|hicieron|lleg\w+|funcion\w+)"
    rf"|não|jamais|nenhum\w*|ninguém)\b|n['’]t\b|没|未|不要|不应|不会|不能|不同意|不必|(?<!而)不是|别|无需|拒绝|{moves.DENIED_JAPANESE}"
)
_REVERSED = (
    r"\b(?:stop(?:s|ped|ping)?|drop(?:s|ped|ping)?|abandon\w*|revert\w*|reversed|rollback|roll(?:ed|ing)? (?:\w+ ){0,3}?back|undo|undone|undid|cancel\w*|reject\w*|postpon\w*"
    r"|declin\w*|veto\w*|withdr[ae]w\w*|call(?:ed)? (?:\w+ ){0,2}?off|on hold|shelv\w+|scrap(?:ped|s)?|abort\w*|defer(?:red|s)?|halt\w*|paus(?:e|ed|ing)|refus\w*|disagree\w*|revoked?"
    r"|back(?:ed|ing)? (?:to|on|out|off|again)|abgelehnt|verworfen|abgebrochen|gestoppt|zurück\w*|rückgängig|aufgegeben|gescheitert|vertagt|widerrufen|storniert"
    r"|annul\w*|rejet\w*|reportée?s?|échou\w*|revenus?|revient|revenir|retour\w*|en arrière|arrêt\w*|rechaz\w*|revirti\w*|volv\w+|vuelta|deshic\w*|deshech\w*|descart\w*"
    r"|aplaz\w*|pospus\w*|suspend\w*|fracas\w*|rejeit\w*|volt(?:ou|amos|aram|ar|a)|desfez|desfeit\w*|desfiz\w*|adiad\w*|suspens\w*|recus\w*)\b"
    r"|取消|放弃|否决|回滚|回退|撤销|撤回|搁置|作罢|[改换迁切移]回|退回|回到|暂停|停止|推迟"
)
_AGAIN = r"\b(?:back|again|fail(?:ed|s)?|wieder|de nuevo|otra vez|de nouveau|à nouveau|de novo|outra vez)\b|又|重新|失败|恢复"
_TAKEN_BACK = (
    r"\b(?:revert\w*|rollback|roll(?:ed|ing)? (?:\w+ ){0,3}?back|undone|undid|(?:go|went|gone|moved?|switched?|changed|put) (?:\w+ ){0,3}?back|back to|abandon\w*|cancel+ed|called (?:\w+ ){0,2}?off|rejected"
    r"|vetoed|withdrawn|scrapped|(?:was|were|has|have|did|is|are|got)(?: not|n['’]t) (?:\w+ )?(?:agreed|approved|accepted|done|happen\w*|merged|shipped|deployed|finished|work\w*|true)"
    r"|never (?:happened|shipped|merged|deployed)|rückgängig|zurück\w+|verworfen|abgelehnt|abgebrochen|annul\w*|abandonn\w*|revenus?|en arrière|deshic\w*|deshech\w*|volvi\w*|rechaz\w*|revirti\w*"
    r"|desfez|desfeit\w*|desfiz\w*|volt(?:ou|amos|aram)|rejeit\w*)\b|取消|放弃|否决|回滚|回退|撤销|撤回|[改换迁切移]回"
)
_WITHIN = re.compile(rf"{_DENIED}|{_REVERSED}", re.IGNORECASE)
_BEHIND = re.compile(rf"{_DENIED}|{_REVERSED}|{_AGAIN}", re.IGNORECASE)
_AFTERWARDS = re.compile(_TAKEN_BACK, re.IGNORECASE)


def is_refused(within: str, *, behind: str, afterwards: str) -> bool:
    """Tell whether a change is denied, or was taken back.

    `within`: the words of its sentence up to its end, but for those that state it; `behind`: the sentence's rest; `afterwards`: its reason
    and the next sentence, which may speak of other things.
    """
    return bool(_WITHIN.search(within) or _BEHIND.search(behind) or _AFTERWARDS.search(afterwards))
