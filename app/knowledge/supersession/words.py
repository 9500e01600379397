"""The words of a statement: its sentences, what it is about (content words), and the words that narrow, doubt or deny it.

Languages: English, German, French, Spanish, Portuguese, Chinese (by pairs of characters), and in part those of `moves`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

from app.knowledge.supersession import moves

MAX_CHARS = 8_000
"""Characters of a text that are read, as many as a person may write."""
MAX_SENTENCE_CHARS, MAX_WITH_REASON_CHARS = 300, 1_000
"""Characters of a sentence that is read, without and with its reason; longer ones are lists, logs or code, and state no rule. The patterns
take time by the square of a sentence's length.
"""
_BLANKS = re.compile(r"[^\S\n]+")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+|(?<=[。！？；])")
_WORD = re.compile(r"[\u3400-\u9fff]+|[^\W_](?:(?![\u3400-\u9fff])[\w+#]|[./:@-](?=\w))*")
_CJK = re.compile(r"[\u3400-\u9fff]")
_SPACED = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""A character of a word that spaces set off: Chinese, Japanese and Korean ones may stand right beside a name."""
_REASON = re.compile(
    r"[,;:–—]? ?(?:\b(?:because|since (?!\d|january|february|march|april|may|june|july|august|september|october|november|december)|so that|so (?=the|we|that|it)|"
    r"due to|in order to|which (?=is|are|has|was|keeps|makes|gives|costs)|as (?=it |we |they )|to (?:avoid|save|cut|reduce costs?|keep|get rid)|"
    rf"weil|da (?=\w+ )(?!(?:\S+ ){{1,4}}?{moves.ITALIAN_TO} )|damit|denn|wegen|car|parce que|afin|puisque|porque|ya que|para que|pois|já que)\b|因为|由于|以便|,? ?(?:，|、)?(?:所以|这样)).*",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|never|no longer|cannot|neither|nor|avoid|without|instead of|rather than|anymore|against|deprecated|obsolete|stop(?:ped)?|"
    rf"{moves.DENIED}|nicht|nie|kein\w*|statt|anstatt|anstelle|ohne|pas|jamais|plus (?=de|d')|au lieu|plutôt|sans|não|nunca|em vez|sem|sin|en lugar|en vez|ya no|jamás)\b"
    rf"|n['’]t\b|\bno (?:se )?(?:us|deb|hay)\w+|不|别|没有|而非|无需|{moves.DENIED_JAPANESE}",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"\?|？|\b(?:maybe|perhaps|might|may(?= be| move| want)|could|would|consider\w*|propos\w*|suggest\w*|plan(?:s|ned|ning)?|will|going to|want(?:s|ed)?|hope|think|thinking|"
    r"if|unless|until|when(?:ever)?|while|before|after|once|during|temporar\w*|for now|for the (?:time being|moment|duration)|today|this (?:week|month|sprint|quarter)|"
    r"tr(?:y|ied|ying)|experiment\w*|trial|proof of concept|poc|prototyp\w*|spike|benchmark\w*|compar\w+|example|e\.g|"
    r"rejected|reject|undecided|decided (?:against|not)|refused|considered|discussed|asked|wonder\w*|likely|probably|possibly|should we|we should|"
    r"also|too|as well|additionally|besides|in addition|as a fallback|fallback|partly|partially|gradually|some|half|most|"
    r"except|only|alone|just|test run|dry run|back up|copy|copies|copied|sync\w*|each|every|nightly|daily|weekly|hourly|periodically|once a|"
    r"vielleicht|könnte\w*|würde\w*|sollte\w* wir|wenn|falls|bis|solange|vorübergehend|vorläufig|vorerst|nur|außer|ausser|geplant|planen|auch|erwäg\w*|überleg\w*|probeweise|jede\w?|"
    r"peut-être|pourrait|pourrions|serait|quand|jusqu\w*|temporairement|provisoirement|seulement|uniquement|sauf|aussi|envisag\w+|essa\w+|chaque|pour l['’]instant|"
    r"quizás?|tal vez|podría\w*|sería|cuando|hasta|temporalmente|provisionalmente|sólo|solo|salvo|excepto|también|considera\w+|prob(?:ar|amos)|cada|por ahora|"
    rf"talvez|poderia\w*|seria|quando|até|temporariamente|provisoriamente|apenas|somente|exceto|também|considera\w+|testa\w+|por enquanto|{moves.DOUBTED})\b"
    rf"|可能|也许|考虑|建议|计划|如果|暂时|临时|目前先|只在|只有|仅|除了|除非|尝试|试用|试试|试着|每天|每周|也(?=用|要)|是否|{moves.DOUBTED_JAPANESE}",
    re.IGNORECASE,
)
_SCOPE = re.compile(
    r"\b(?:stag(?:e|ing)|prod(?:uction|uktion|ução|ucción)?|dev(?:elopment)?|entwicklung|desarrollo|desenvolvimento|développement|locally|local|lokal|ci|canary|preview|qa|uat|sandbox|demo|"
    r"tests?|testing|pruebas|testes|windows|linux|macos|mac|android|ios|mobile|web|desktop|arm64|arm|x86|amd64|gpu|eu|us|emea|apac|europe|europa|asia|"
    r"enterprise|free tier|legacy|beta|alpha|internal|external|intern|extern|v\d+|on-?prem\w*|cloud|batch|nightly|monorepo|branch(?:es)?|main|release)\b"
    r"|测试环境|生产环境|预发|开发环境|本地|移动端",
    re.IGNORECASE,
)
_STOP_WORDS = """
    a an the this that these those it its we our us you your they their them i my he she who which what is are was were be been being has have had
    do does did done of in on at to from with by for as into onto through via over under out up off and or but so than then there here all any
    now already finally currently meanwhile instead longer no not anymore away back again still since last month week year today decided agreed decide
    agree team everybody everyone use uses used using move moves moved moving switch switched switching migrate migrated migrating change changed
    changes changing convert converted port ported raise raised raising shorten shortened extend extended increase increased lower lowered reduce reduced decrease decreased bump bumped
    upgrade upgraded downgrade downgraded rename renamed go goes going gone went replace replaced replaces replacing drop dropped swap swapped ditch
    abandoned abandon favour favor place rather stop stopped run runs running ran set sets keep keeps kept put puts get gets make makes take takes
    store stored stores live lives lived come comes came call calls called library go sit sits is please let lets must should can need needs new old one rule convention default value
    der die das den dem des ein eine einen einem einer wir unser unsere ist sind war waren wird werden wurde wurden hat haben auf nach zu zum zur von
    vom mit für über durch in im an am und oder als nicht mehr jetzt nun ab seit statt anstelle nutzen nutzt nutze verwenden verwendet benutzen
    umgestellt umstellen stelle stellen ziehe ziehen verschiebe verschieben verlege verlegen migriere migrieren wechsle gewechselt wechseln migriert umgezogen umziehen geändert ändern ersetzt ersetzen erhöht erhöhen gesenkt verschoben laufen läuft liegen liegt beträgt
    le la les l un une des du de d à au aux en et ou que qui nous notre nos est sont était a avons ont été sur dans par pour avec plus ne pas
    maintenant désormais vers utilisent passent passe passée passés passées migrée migrés migrées déplacée déplacés déplacées utiliser utilisons utilise utilisez passer passé passons migrer migré migrons bascule basculer basculons basculé déplace déplacer déplaçons déplacé migre migrons change changer changé
    remplacer remplacé remplacée remplacés lieu plutôt se fait
    el los las lo un una unos unas del al y o es son era fue han ha hemos nuestro nuestra en por para con sin ya no más ahora usar usamos usa usan
    guardan guarda mueve mover movemos movimos movido migra migre migrar migramos migrado cambia cambie cambiar cambiamos cambiado pasa pase pasar pasamos reemplazar reemplazado reemplazamos sustituir sustituido
    sustituimos lugar vez se través mediante enviamos mandamos publicamos guardamos almacenamos procesamos desplegamos
    o os as um uma do da dos das no na nos nas ao aos e ou é são foi foram por para com sem já não mais agora usar usamos usa usam mova mover movemos movido migre migra migrar migramos mude muda troque passe passa
    em pelo pela ficam fica mudar mudamos mudado trocar trocamos trocado passar passamos substituir substituído substituímos substituído através armazenamos processamos invés nosso nossa
"""
STOP = frozenset((*_STOP_WORDS.split(), *moves.STOP_WORDS.split()))
_CJK_STOP = re.compile(
    r"我们|现在|已经|已|把|将|从|到|改为|改成|改用|换成|换为|迁移|迁到|迁|切换|移到|替换|代替|取代|不再|使用|不用|用|通过|都|了|的|在|请|而|再|是|为|由|里|中|上|决定|所有|全部|以后|今后"
)
MIN_STEM = 4
STEM_SHARE = 0.6
"""Two words are one where they begin alike: at least MIN_STEM characters, and this share of the longer one, endings aside."""
_ENDINGS = re.compile(
    r"(?<=\w{3})(?:ations?|aciones|ación|ação|ções|ings?|ungen|ung|ées?|és?|ed|es|s|er|en|ar|an|am|as|os|ado|ada|ados|adas)$"
)


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a text, each apart from its reason, which names other things than what is decided.

    Of MAX_CHARS, those of at most MAX_SENTENCE_CHARS, white space as single spaces.
    """
    for written in _SENTENCE.split(_BLANKS.sub(" ", text[:MAX_CHARS])):
        if len(written) > MAX_WITH_REASON_CHARS:
            continue
        # By sentence: to compose characters takes time by the square of a run of combining ones.
        sentence = _BLANKS.sub(" ", unicodedata.normalize("NFKC", written.replace("`", ""))[:MAX_WITH_REASON_CHARS])
        reason = _REASON.search(sentence)
        kept = (sentence if reason is None else sentence[: reason.start()]).strip(" .!;。；！")
        if kept and len(kept) <= MAX_SENTENCE_CHARS:
            yield kept, "" if reason is None else reason[0]


def content_words(text: str) -> list[str]:
    """Return the distinct words of a text that name something, casefolded, in order; Chinese ones as pairs of characters."""
    found: dict[str, None] = {}
    for word in _WORD.findall(text.casefold()):
        if _CJK.match(word):
            found |= dict.fromkeys(pair for run in _CJK_STOP.split(word) for pair in _pairs(run))
        elif word not in STOP and (len(word) > 1 or word.isdigit()):
            found[word] = None
    return list(found)


def holds(words: Iterable[str], word: str) -> bool:
    """Tell whether one of the words is this one, in any inflection."""
    return any(_same(each, word) for each in words)


def shared(wanted: Collection[str], words: Collection[str]) -> float:
    """Return the share of the wanted words that are among the words; 1 for none."""
    return sum(holds(words, each) for each in wanted) / len(wanted) if wanted else 1.0


def is_denied(sentence: str) -> bool:
    return bool(_DENIED.search(sentence))


def is_doubted(sentence: str) -> bool:
    """Tell whether a sentence asks, plans, tries, or holds only under a condition, for a time or for a part."""
    return bool(_DOUBTED.search(sentence))


def scopes(sentence: str) -> frozenset[str]:
    """Return the environments, platforms and regions that a sentence names: in another one, another value may hold."""
    return frozenset(found[0].casefold().removesuffix("s")[:4] for found in _SCOPE.finditer(sentence))


def has_value(sentence: str, value: str) -> bool:
    """Tell whether a value stands literally in a sentence, as a name of its own: `redis` is not in `redis-cluster`, 3.1 not in 3.10."""
    if _CJK.search(value):
        return value.casefold() in sentence.casefold()
    literal = re.escape(value.casefold()).replace(r"\ ", r"\s+")
    found = re.search(rf"(?<!{_SPACED})(?<![./@#-]){literal}(?!{_SPACED}|[/@-]|[.:]{_SPACED})", sentence.casefold())
    return found is not None and not _continues(sentence[found.start() : found.end()], sentence[found.end() :])


def narrows(sentence: str, *, known: Collection[str]) -> bool:
    """Tell whether a sentence holds a content word that isn't known, other than a verb: then it speaks of something more special.

    A verb stands first, or behind a pronoun, an auxiliary or `to`; in German also last. Of Chinese, MAX_UNKNOWN_PAIRS are allowed.
    """
    tokens = _WORD.findall(sentence.casefold())
    unknown = [place for place, token in enumerate(tokens) if not _CJK.match(token) and content_words(token) and not holds(known, token)]
    pairs = sum(not holds(known, pair) for token in tokens if _CJK.match(token) for pair in content_words(token))
    return pairs > MAX_UNKNOWN_PAIRS or any(not _is_verb(tokens, place) for place in unknown)


MAX_UNKNOWN_PAIRS = 3
_BEFORE_VERBS_WORDS = """
    we you i they to is are was were be been being gets get must should can always now wir man ist sind wird werden wurde
    wurden zu nous on est sont été à se es son ha han hemos é são foi foram ser
"""
_BEFORE_VERBS = frozenset(_BEFORE_VERBS_WORDS.split())
_FINITE_WORDS = """
    is are was were use uses run runs go goes live lives come comes has have need needs get gets call calls stop stopped can must
    should ist sind wird werden wurde wurden nutzen nutzt laufen läuft gehen geht liegen est sont passe passent utilise utilisent
    es son usa usan pasa pasan é são usam ficam passam
"""
_FINITE = frozenset(_FINITE_WORDS.split())
_NOUN = re.compile(r"\w*(?:[^\Ws]s|ung|ión|ção)(?: .*)?|\w+ (?:of|in|des|von|du|de|del|do|da)")
"""A sentence's beginning that is no imperative: a plural (in English no imperative ends in one s), or a noun that a preposition follows."""
_PARTICIPLE = re.compile(r"ge\w+(?:t|en)|\w+iert|(?:er|be|ver|ent)\w+(?:t|en)")


def _is_verb(tokens: Sequence[str], place: int) -> bool:
    if place == 0:  # an imperative, unless a finite verb follows: `Transactional mails use …`, or it is a noun: `Sessions in …`
        return _FINITE.isdisjoint(tokens[1:]) and not _NOUN.fullmatch(" ".join(tokens[:2]))
    if tokens[place - 1] in _BEFORE_VERBS:
        return True
    return (
        place == len(tokens) - 1
        and bool(_PARTICIPLE.fullmatch(tokens[place]))
        and not {"wird", "werden", "wurde", "ist", "sind"}.isdisjoint(tokens)
    )


def is_agent(sentence: str, value: str) -> bool:
    """Tell whether a sentence begins with the value and goes on with what it does (`Redis evicted …`), which decides nothing about it."""
    beginning = re.match(rf"(?:the |our )?{re.escape(value.casefold())} (\w+)", sentence.casefold())
    return beginning is not None and beginning[1] not in _DECIDING


_DECIDING_WORDS = """
    is are serves stores handles holds runs hosts provides renders sends signs builds ist sind dient speichert est sont stocke
    sert es son guarda sirve é são serve
"""
_DECIDING = frozenset(_DECIDING_WORDS.split())


def _continues(value: str, rest: str) -> bool:
    """Tell whether a capitalised name goes on with a capitalised word: `GitHub Actions` is not `GitHub`."""
    return value[:1].isupper() and bool(re.match(r" [A-Z][a-z]", rest))


def _pairs(run: str) -> Iterator[str]:
    yield from ([run] if len(run) == 1 else (run[place : place + 2] for place in range(len(run) - 1)))


@lru_cache(maxsize=4_096)
def _stem(word: str) -> str:
    return _ENDINGS.sub("", re.sub(r"ies$", "y", word))


def _same(one: str, other: str) -> bool:
    if one == other or one + "s" == other or other + "s" == one:
        return True
    if any(char.isdigit() for char in one + other):
        return False
    one, other = _stem(one), _stem(other)
    if one == other:
        return True
    longest = max(len(one), len(other))
    common = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return common >= max(MIN_STEM, STEM_SHARE * longest)
