"""Templates of rules in plain words, after DECLARE (Pesic and van der Aalst, 2006): a name, the parts it asks for, and the formula it stands for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PolicyTemplate:
    """`parts`: the keys that a policy gives, each a formula. `formula`: with the parts in braces."""

    parts: tuple[str, ...]
    words: str
    formula: str

    def filled(self, parts: Mapping[str, str]) -> str:
        """Return the formula with its parts."""
        return self.formula.format(**{name: f"({parts[name]})" for name in self.parts})


_OF, _ONE_OTHER, _WHEN_THEN, _BEFORE_NEED = ("of",), ("one", "other"), ("when", "then"), ("before", "need")

TEMPLATES: Final[Mapping[str, PolicyTemplate]] = {
    "existence": PolicyTemplate(_OF, "it happens at least once", "eventually {of}"),
    "absence": PolicyTemplate(_OF, "it never happens", "always not {of}"),
    "at_most_once": PolicyTemplate(_OF, "it happens once at most", "always ({of} implies not previous once {of})"),
    "init": PolicyTemplate(_OF, "the session begins with it", "{of}"),
    "choice": PolicyTemplate(_ONE_OTHER, "one of the two happens", "eventually ({one} or {other})"),
    "exclusive_choice": PolicyTemplate(
        _ONE_OTHER,
        "one of the two happens, the other doesn't",
        "eventually ({one} or {other}) and not (eventually {one} and eventually {other})",
    ),
    "responded_existence": PolicyTemplate(
        _WHEN_THEN, "where `when` happens, `then` does, before or after", "eventually {when} implies eventually {then}"
    ),
    "coexistence": PolicyTemplate(_ONE_OTHER, "both happen, or neither does", "eventually {one} iff eventually {other}"),
    "not_coexistence": PolicyTemplate(_ONE_OTHER, "the two don't happen in one session", "not (eventually {one} and eventually {other})"),
    "response": PolicyTemplate(_WHEN_THEN, "after `when` comes `then`, some time", "always ({when} implies eventually {then})"),
    "alternate_response": PolicyTemplate(
        _WHEN_THEN, "after `when` comes `then`, before `when` comes again", "always ({when} implies next ((not {when}) until {then}))"
    ),
    "chain_response": PolicyTemplate(_WHEN_THEN, "after `when` comes `then` at once", "always ({when} implies next {then})"),
    "precedence": PolicyTemplate(_BEFORE_NEED, "before `before` comes `need`, some time", "(not {before}) weak_until {need}"),
    "alternate_precedence": PolicyTemplate(
        _BEFORE_NEED,
        "before each `before` comes a `need` of its own",
        "always ({before} implies ({need} or previous ((not {before}) since {need})))",
    ),
    "chain_precedence": PolicyTemplate(_BEFORE_NEED, "right before `before` comes `need`", "always ({before} implies previous {need})"),
    "renewed_precedence": PolicyTemplate(
        ("before", "need", "after"),
        "before `before` comes a `need` that is later than the last `after`",
        "always ({before} implies not ((not {need}) since {after}))",
    ),
    "succession": PolicyTemplate(
        _WHEN_THEN,
        "after `when` comes `then`, and no `then` without a `when` before it",
        "always ({when} implies eventually {then}) and ((not {then}) weak_until {when})",
    ),
    "chain_succession": PolicyTemplate(
        _WHEN_THEN,
        "`when` and `then` come right after each other, or neither does",
        "always (({when} implies next {then}) and ({then} implies previous {when}))",
    ),
    "not_succession": PolicyTemplate(
        _WHEN_THEN, "after `when`, `then` doesn't happen any more", "always ({then} implies not previous once {when})"
    ),
    "not_chain_succession": PolicyTemplate(
        _WHEN_THEN, "right after `when`, `then` doesn't happen", "always ({then} implies not previous {when})"
    ),
}
