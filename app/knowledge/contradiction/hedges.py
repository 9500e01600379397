"""Words by which a sentence is no rule that another one could contradict: it asks, plans, reports, lists, excepts, or points elsewhere.

Languages: English, German, French, Spanish, Portuguese and Chinese.
"""

from __future__ import annotations

import re

_HEDGED = re.compile(
    r"\?|？|\b(?:maybe|perhaps|might|could|would|consider\w*|propos\w*|suggest\w*|plan(?:s|ned|ning)?|will|going to|want(?:s|ed)?|hop(?:e|ing)|think|thinking|"
    r"tr(?:y|ied|ying)|experiment\w*|on trial|trial run|prototyp\w*|benchmark\w*|compar\w+|examples?|e\.g|i\.e|such as|including|like|"
    r"undecided|discuss\w*|refused|wonder\w*|likely|probably|possibly|usually|often|sometimes|typically|mostly|roughly|about|around|approximately|almost|nearly|up to|between \d+ and|"
    r"temporar\w*|for now|for the (?:time being|moment)|yet|soon|currently|still|today|tomorrow|yesterday|this (?:week|month|sprint|quarter|time)|"
    r"also|too|as well|additional\w*|besides|another|other|alternativ\w*|either|or|both|can|may|optionally|fallback|partly|some|half|most|"
    r"vielleicht|könnte\w*|würde\w*|geplant|planen|erwäg\w*|überleg\w*|probeweise|vorerst|vorläufig|vorübergehend|zurzeit|derzeit|etwa|ungefähr|rund|zum beispiel|auch|außerdem|oder|entweder|kann|können|darf|meist\w*|manchmal|"
    r"peut-être|pourrait|pourrions|serait|envisag\w+|essa\w+|provisoirement|temporairement|environ|par exemple|aussi|également|ou|soit|peut|peuvent|souvent|parfois|"
    r"quizás?|tal vez|podría\w*|sería|prob(?:ar|amos)|provisionalmente|temporalmente|aproximadamente|por ejemplo|también|puede|pueden|a veces|"
    r"talvez|poderia\w*|seria|testa\w+|provisoriamente|temporariamente|cerca de|por exemplo|também|pode|podem|às vezes)\b"
    r"|可能|也许|考虑|建议|计划|暂时|临时|目前|大约|左右|例如|比如|(?<=\w) o (?=[A-Z])|或|也(?=用|要|可)|可以|尝试|试用|试试|是否|通常|有时",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"\b(?:was|were|had|did|took|saw|got|found|fixed|hit|noticed|counted|reached|spent|dropped|grew|went|came|cost|showed|measured|(?:failed|passed|crashed|finished|started|stopped|returned)(?! \w+s\b)|broke|made|gave|"
    r"running|down|broken|flaky|failing|happened|turned out|last|ago|earlier|previously|formerly|originally|initially|used to|since|so far|(?:is|are|stands?) (?:now )?at \d+(?! ?%)|p\d\d|"
    r"on (?:this|my|our|a) (?:laptop|machine|notebook|desktop)|(?:backlog|latency|throughput|coverage|usage|utili[sz]ation|uptime|load|(?:hit|error|failure|success|crash) rate) (?:is|are|of)|"
    r"war|waren|hatte\w*|dauerte\w*|brauchte\w*|fand|gestern|letzte\w*|früher|zuvor|bisher|"
    r"était|étaient|avait|avaient|hier|dernière?|auparavant|jusqu'ici|a pris|a duré|"
    r"era|eran|fue|fueron|tardó|había|ayer|pasad[oa]|antes|hasta ahora|eram|foi|foram|levou|demorou|tinha|ontem|anteriormente)\b"
    r"|昨天|上次|上周|之前|以前|曾|花了|当时",
    re.IGNORECASE,
)
_POINTING = re.compile(
    r"(?:(?:so|and|but|then|also|there|here)[, ]+)?(?:it|its|this|that|these|those|they|their|he|she|there|here|one|er|sie|dies\w*|(?:es|das) (?:ist|gilt|sind|wird|läuft|braucht)|dort|hier|il|elle|ils|ce|cela|ça|"
    r"esto|eso|ello|isto|isso|ele|ela|eles)\b|[它这那其]",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"\b(?:supports|supported|works? with|integrates?|compatible|accepts?|tested|lists?|mentions?|notif(?:y|ies)|alerts?|(?:sign|log) ?in|depends? on|talks? to|contributors?|developers?|engineers?|users?|customers? (?:can|pay|choose)|people|cli|sdks?|librar(?:y|ies)|plug-?ins?|extensions?|add-?ons?|snippets?|examples?|"
    r"runs? on (?:chrom\w+|firefox|safari|edge|macos|linux|windows|debian|ubuntu|fedora|alpine|ios|android)|"
    r"unterstützt\w*|kompatibel|compatibles?|soporta\w*|admite\w*|suporta\w*|aceita\w*)\b|支持|兼容",
    re.IGNORECASE,
)
_SETS = re.compile(
    r"\b(?:time-?outs?|limit\w*|max\w*|min(?:imum)?|defaults?|threshold|interval|delay|back-?off|ttl|lifetime|retention|quota|pool|batch(?: size)?|page size|chunk|buffer|concurrency|"
    r"parallelism|replicas?|workers?|threads?|quorum|retr(?:y|ies)|attempts?|ports?|sampl\w+|target|grace|validity|valid|must|shall|should|ha(?:s|ve) to|needs?|requir\w+|"
    r"expires?|waits?|rotates?|polls|caches|deletes|purges|allows?|gets?|returns?|listens|runs? (?:with|at|every)|starts? (?:at|with)|"
    r"(?:is|are|be) (?:\w+ly )?(?:\w+ed|kept|held|run|set|split|rebuilt|sent|built|taken|written|cut|put) (?:for|to|at|after|with|every|into|within|per|up|in)|"
    r"beträgt|betragen|gilt|gelten|dauert|müssen|muss|soll\w*|wird|werden|laufen .+ ab|läuft .+ ab|grenze|frist|"
    r"délais?|limites?|expirent?|conservée?s?|doi(?:t|vent)|límites?|caducan?|conservan?|guardad\w+|deben?|expiram?|devem?|são \w+d[oa]s)\b"
    r"|\w_\w|超时|保留|有效期|限制|上限|必须",
    re.IGNORECASE,
)
_NEWS = re.compile(
    r"\b(?:fixed|shipped|added|introduced|released|removed|broken|reported|seen|known) (?:in|by|with|on|since)\b", re.IGNORECASE
)
_LIMITED = re.compile(
    r"\b(?:except\w*|unless|exempt\w*|overrid\w*|only (?:for|in|on|applies|holds|when|if)|applies (?:only |just )?to|just for|not for|deviat\w*|special case|"
    r"ausnahme\w*|außer|gilt (?:nur )?(?:für|in)|nur (?:für|in|bei)|sauf|excepté|exception|uniquement|seulement|ne vaut que|salvo|excepto|solo (?:para|en)|sólo (?:para|en)|"
    r"exceto|apenas|somente|vale (?:só |solo )?para)\b|除外|除了|仅|只(?:在|对|适用)|例外",
    re.IGNORECASE,
)


_CODE = re.compile(
    r"^[#+<>|*$/\\@{(\[-]|[:,;{}(\[\\]$|==|!=|<=|>=|=>|->|&&|\|\||</|/>|\w\[|\w\(\w*[^\w\s)]|\bself\.|\b(?:assert|elif|None|def|import|function|const)\b|^return\b| = |^[\w.-]+ ?[:=] ?\S+$"
)
_PLAIN_WORD = re.compile(r"(?<![\w.=/])[^\W\d_]{2,}(?![\w=(\[])")
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
MIN_PLAIN_WORDS, MIN_PLAIN_SHARE, MIN_IDEOGRAPHS = 2, 0.4, 4
"""Plain words of a sentence, and their share of it, below which it is code, a log's line or a heading; ideographs in their place."""


def is_prose(sentence: str) -> bool:
    """Tell whether a sentence is written for people: code assigns one value here and another one there."""
    if _CODE.search(sentence):
        return False
    words = len(_PLAIN_WORD.findall(sentence))
    is_worded = words >= MIN_PLAIN_WORDS and words >= MIN_PLAIN_SHARE * len(sentence.split())
    return is_worded or len(_IDEOGRAPH.findall(sentence)) >= MIN_IDEOGRAPHS


def is_rule(sentence: str) -> bool:
    """Tell whether a sentence says what holds: it neither asks, plans, reports nor lists, names what it is about, and is no code."""
    return is_prose(sentence) and not (
        _HEDGED.search(sentence) or _REPORTED.search(sentence) or _POINTING.match(sentence) or sentence.endswith(("…", "..."))
    )


def takes_several(sentence: str) -> bool:
    """Tell whether a sentence names one of several values that hold beside each other: what is supported, accepted or told."""
    return bool(_SEVERAL.search(sentence))


def sets_amount(sentence: str) -> bool:
    """Tell whether a sentence sets an amount rather than reports one: by a word such as `limit`, `must` or `expires`."""
    return bool(_SETS.search(sentence)) and not _NEWS.search(sentence)


def is_limited(sentence: str) -> bool:
    """Tell whether a sentence says that something holds in some cases only."""
    return bool(_LIMITED.search(sentence))
