"""Loads and validates the file of alert rules, about series, budgets and policies: `config/alerts.toml`, or an operator's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from app.alerts.budget_rules import BudgetRule
from app.alerts.policy_rules import PolicyRule
from app.alerts.series_rules import SeriesRule
from app.errors import ConfigurationError
from app.redaction.labels import looks_like_a_secret
from app.settings import ROOT

log = structlog.get_logger()

SHIPPED = ROOT / "config" / "alerts.toml"
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
_SERIES = TypeAdapter(dict[_Name, SeriesRule])
_BUDGETS = TypeAdapter(dict[_Name, BudgetRule])
_POLICIES = TypeAdapter(dict[_Name, PolicyRule])


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, by name."""

    series: Mapping[str, SeriesRule]
    budgets: Mapping[str, BudgetRule] = field(default_factory=dict)
    policies: Mapping[str, PolicyRule] = field(default_factory=dict)

    @property
    def enabled_series(self) -> dict[str, SeriesRule]:
        return {name: rule for name, rule in self.series.items() if rule.enabled}

    @property
    def enabled_budgets(self) -> list[BudgetRule]:
        return [rule for rule in self.budgets.values() if rule.enabled]

    @property
    def enabled_policies(self) -> dict[str, PolicyRule]:
        return {name: rule for name, rule in self.policies.items() if rule.enabled}


def load(path: Path, *, shipped: Path = SHIPPED) -> Rules:
    """Load a file of rules. ConfigurationError names the file, the rule and the field.

    A file without any rule about budgets, or about policies, was written before such rules existed: it gets the shipped ones, with a
    warning in the log.
    """
    rules = _load(path)
    if path == shipped or (rules.budgets and rules.policies):
        return rules
    ours = _load(shipped)
    for kind, found in (("budgets", rules.budgets), ("policies", rules.policies)):
        if not found:
            reason = f"it has no rules about {kind}, so those of {shipped} are used: copy the ones you want into it."
            log.warning("alerts.rules.no_budgets" if kind == "budgets" else "alerts.rules.no_policies", file=str(path), reason=reason)
    return Rules(rules.series, rules.budgets or ours.budgets, rules.policies or ours.policies)


def _load(path: Path) -> Rules:
    content = _renamed(_read(path), path)
    about_budgets = {name: rule for name, rule in content.items() if isinstance(rule, dict) and "budget" in rule}
    about_policies = {name: rule for name, rule in content.items() if isinstance(rule, dict) and "policy" in rule}
    about_series = {name: rule for name, rule in content.items() if name not in about_budgets | about_policies}
    problems: list[str] = []
    series = _checked(_SERIES, about_series, problems)
    budgets = _checked(_BUDGETS, about_budgets, problems)
    policies = _checked(_POLICIES, about_policies, problems)
    problems += _duplicates(budgets)
    if problems:
        raise ConfigurationError(f"{path} can't be used: {'; '.join(problems)}.")
    return Rules(series, budgets, policies)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The alert rules can't be read from {path}: {error.strerror}. Check CAIRN_ALERTS__RULES.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from error
    if (place := next((place for place, name in enumerate(content, start=1) if looks_like_a_secret(name)), None)) is not None:
        raise ConfigurationError(
            f"{path} can't be used: the name of rule {place} looks like a secret, and names are shown. Rename the rule."
        )
    return content


def _renamed(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Translate an older version's names to today's, each with a warning: the next version won't read them."""
    for name, rule in content.items():
        if not isinstance(rule, dict):
            continue
        if rule.get("take") == "most":
            rule["take"] = "max"
            log.warning("alerts.rules.renamed", file=str(path), rule=name, old='take = "most"', new='take = "max"')
        if "least" in rule:
            if "min_count" in rule:
                raise ConfigurationError(f"{path} can't be used: {name}: it has both min_count and its older name least: remove least.")
            rule["min_count"] = rule.pop("least")
            log.warning("alerts.rules.renamed", file=str(path), rule=name, old="least", new="min_count")
    return content


def _checked(rules: TypeAdapter[dict[str, Any]], content: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    try:
        return rules.validate_python(content)
    except ValidationError as error:
        problems += [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors(include_input=False)]
        return {}


def _duplicates(budgets: Mapping[str, BudgetRule]) -> Iterator[str]:
    """Yield a problem for each alert of two rules: it is raised once per period and subject, so the second rule would never raise it."""
    rule_of: dict[str, str] = {}
    for name, rule in budgets.items():
        for alert in rule.alerts if rule.enabled else ():
            if alert in rule_of:
                yield f"{name} raises the same alert as {rule_of[alert]} ({alert}): keep it in one of them"
            rule_of.setdefault(alert, name)
