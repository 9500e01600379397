"""A policy: a rule over sessions with its words and severity, given as a template or a formula, and compiled once for all sessions. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, get_args

from app.errors import InvalidInput
from app.redaction.stored_fields import without_invalid_chars
from app.trajectory.policies.automaton import Automaton
from app.trajectory.policies.formula import FormulaTable
from app.trajectory.policies.parser import FormulaSyntaxError, parse_formula
from app.trajectory.policies.predicates import BITS, FIRST_OWN_BIT, WITH_VALUE, nearest
from app.trajectory.policies.readings import StepReading, own_predicate
from app.trajectory.policies.templates import TEMPLATES
from app.trajectory.policies.views import PolicyDefinition, PolicySeverity, Unit

MAX_WORDS_CHARS = 300
MAX_ATOMS = 12
_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
_MISSING: Final = {"id": "a name for the policy", "words": "in a sentence what the policy demands"}
_KEYS: Final = ("id", "words", "severity", "enabled", "for_each", "template", "formula")


class PolicyError(InvalidInput):
    """A policy can't be used. `key`: which of its fields; `line`, `column`: the place in a formula, where it is one."""

    code = "invalid_policy"

    def __init__(self, key: str, reason: str, *, line: int | None = None, column: int | None = None, code: str | None = None) -> None:
        place = "" if line is None or column is None else f" (line {line}, column {column})"
        super().__init__(f"{key}{place}: {reason}.", code=code, param=key)
        self.key, self.reason, self.line, self.column = key, reason, line, column


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A rule that steps can be fed to. `own`: its predicates with a value, each with its bit."""

    automaton: Automaton
    own: tuple[tuple[int, Callable[[StepReading], bool]], ...]

    def letter(self, reading: StepReading) -> int:
        """Return the letter that the rule reads of a step: the atoms that it names."""
        found = reading.letter & self.automaton.mask
        for bit, holds in self.own:
            found |= bit if holds(reading) else 0
        return found


def definition_of(given: Mapping[str, object]) -> PolicyDefinition:
    """Check a policy as it was given, and its rule. PolicyError names the key, the reason and what was meant."""
    template = _one_of(given, "template", TEMPLATES)
    names = TEMPLATES[template].parts if template else ()
    for key in given:
        if key not in _KEYS and key not in names:
            known = dict.fromkeys((*_KEYS, *names))
            raise PolicyError(key[:40], f"a policy has no such key{nearest(key, known)}; it has {', '.join(known)}")
    if (template is None) == ("formula" not in given):
        raise PolicyError("formula", f"a policy needs either a formula or a template, which is one of: {', '.join(TEMPLATES)}")
    id_ = _text(given, "id")
    if _ID.fullmatch(id_) is None:
        raise PolicyError("id", "it consists of a to z, 0 to 9 and hyphens, begins with a letter, and has at most 64 characters")
    words = _text(given, "words").strip()
    if len(words) > MAX_WORDS_CHARS:
        raise PolicyError("words", f"they have at most {MAX_WORDS_CHARS} characters; these have {len(words)}")
    if not isinstance(enabled := given.get("enabled", True), bool):
        raise PolicyError("enabled", "expected true or false")
    parts = tuple((name, _text(given, name)) for name in names)
    for name, part in parts:
        _compiled_as(name, part)
    formula = TEMPLATES[template].filled(dict(parts)) if template else _text(given, "formula")
    made = PolicyDefinition(
        id_,
        words,
        formula,
        severity=_one_of(given, "severity", dict.fromkeys(get_args(PolicySeverity))) or "nudge",  # type: ignore[arg-type]
        enabled=enabled,
        for_each=_one_of(given, "for_each", dict.fromkeys(get_args(Unit))) or "session",  # type: ignore[arg-type]
        template=template,
        parts=parts,
    )
    _check_says_something(made)
    return made


@lru_cache(maxsize=512)
def compiled(formula: str) -> CompiledPolicy:
    """Compile a formula; the same for all sessions of a process. FormulaSyntaxError, FormulaTooLarge."""
    table = FormulaTable()
    own: dict[tuple[str, str], int] = {}

    def atom_of(word: str, value: str | None) -> int:
        if value is None and word in BITS:
            return BITS[word]
        if value is None or word not in WITH_VALUE:
            raise LookupError(_unknown(word))
        own.setdefault((word, value), FIRST_OWN_BIT << len(own))
        tests.setdefault(own[word, value], own_predicate(word, value))
        return own[word, value]

    tests: dict[int, Callable[[StepReading], bool]] = {}
    automaton = Automaton(table, parse_formula(formula, table, atom_of))
    if (count := automaton.mask.bit_count()) > MAX_ATOMS:
        raise FormulaSyntaxError(f"a formula has at most {MAX_ATOMS} predicates; this one has {count}: split it", line=1, column=1)
    automaton.explore()
    return CompiledPolicy(automaton, tuple(tests.items()))


def _unknown(word: str) -> str:
    if word in WITH_VALUE:
        return f'"{word}" needs a value in double quotes: {WITH_VALUE[word]}'
    if word in BITS:
        return f'"{word}" takes no value'
    return f'there is no predicate "{word[:40]}"{nearest(word, {**BITS, **WITH_VALUE})}; `cairn policies list --predicates` lists them'


def _check_says_something(policy: PolicyDefinition) -> None:
    key = policy.template or "formula"
    verdict = _compiled_as(key, policy.formula).automaton.start.verdict
    if verdict in {"true", "false"}:
        raise PolicyError(key, f"it is {verdict} for every session, so it says nothing: check the operators and what they bind")


def _compiled_as(key: str, formula: str) -> CompiledPolicy:
    try:
        return compiled(formula)
    except FormulaSyntaxError as error:
        raise PolicyError(key, error.reason, line=error.line, column=error.column, code=error.code) from error
    except InvalidInput as error:
        raise PolicyError(key, error.message.rstrip("."), code=error.code) from error


def _text(given: Mapping[str, object], key: str) -> str:
    found = given.get(key)
    if found is None:
        raise PolicyError(key, f"it is missing: write {_MISSING.get(key, 'a formula')}")
    if not isinstance(found, str) or not found.strip():
        raise PolicyError(key, "expected a text that isn't empty")
    if without_invalid_chars(found) != found:
        raise PolicyError(key, "it holds NUL or half of a surrogate pair, which can't be stored: take it out")
    return found


def _one_of(given: Mapping[str, object], key: str, among: Mapping[str, object]) -> str | None:
    if (found := given.get(key)) is None:
        return None
    if not isinstance(found, str) or found not in among:
        raise PolicyError(key, f'expected one of {", ".join(among)}; "{str(found)[:40]}" isn\'t one{nearest(str(found)[:40], among)}')
    return found
