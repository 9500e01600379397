"""Rules: a file of them, typed; and what a rule says of a value. No I/O but reading the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from app.alerts.series import SERIES
from app.errors import ConfigurationError
from app.redaction.labels import looks_like_a_secret

Take = Literal["p50", "p95", "p99", "mean", "most", "last", "sum", "share"]
KINDS: Mapping[str, frozenset[Take]] = {
    "timing": frozenset({"p50", "p95", "p99", "mean", "most", "sum"}),
    "counter": frozenset({"sum", "share"}),
    "level": frozenset({"mean", "most", "last"}),
}
PROBES: Mapping[str, tuple[str, ...]] = {"budget.used_early": ("developer",)}
"""What is no roll-up, and looked up when the rules are evaluated; with its labels."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Rule(BaseModel):
    """One rule. Exactly one of `above` and `below`; `clear` is where it is over: beyond it, not at the threshold itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    what: str = Field(min_length=1, max_length=200)
    series: str
    of: str | None = None
    take: Take
    each: tuple[str, ...] = ()
    above: float | None = None
    below: float | None = None
    clear: float
    for_seconds: float = Field(300, ge=0, le=86_400)
    clear_seconds: float = Field(120, ge=0, le=86_400)
    window_seconds: int = Field(120, ge=60, le=3600)
    least: int = Field(1, ge=1)
    severity: Literal["warning", "critical"] = "warning"
    post: bool = True
    enabled: bool = True

    @property
    def threshold(self) -> float:
        found = self.above if self.above is not None else self.below
        assert found is not None
        return found

    def breached(self, value: float) -> bool:
        return value > self.threshold if self.above is not None else value < self.threshold

    def quiet(self, value: float) -> bool:
        return value <= self.clear if self.above is not None else value >= self.clear

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if looks_like_a_secret(self.what):
            raise ValueError("what looks like a secret, and is shown and posted: describe the rule without it")
        if (self.above is None) == (self.below is None):
            raise ValueError("needs either above or below")
        if self.breached(self.clear):
            raise ValueError("clear must not lie beyond the threshold: it would never be over")
        labels, kind = PROBES.get(self.series), "level"
        if labels is None:
            if self.series not in SERIES:
                raise ValueError(f"there is no series {self.series!r}: docs/rollups.md lists them")
            labels, kind = SERIES[self.series].labels, SERIES[self.series].kind
        if self.take not in KINDS[kind]:
            raise ValueError(f"take = {self.take!r} doesn't fit {self.series}, a {kind}: {', '.join(sorted(KINDS[kind]))}")
        if (self.of is not None) != (self.take == "share") or (self.of is not None and self.of not in SERIES):
            raise ValueError('take = "share" and of = "…", the name of a counter, belong together')
        if unknown := set(self.each) - set(labels):
            raise ValueError(f"{self.series} has no label {', '.join(sorted(unknown))}; it has: {', '.join(labels) or 'none'}")
        return self


@dataclass(frozen=True, slots=True)
class Rules:
    by_name: Mapping[str, Rule]

    @property
    def enabled(self) -> dict[str, Rule]:
        return {name: rule for name, rule in self.by_name.items() if rule.enabled}


_FILE = TypeAdapter(dict[Annotated[str, Field(pattern=f"^{NAME.pattern}$")], Rule])


def load(path: Path) -> Rules:
    """ConfigurationError that names the file, the rule and the field."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The rules of alerts can't be read from {path}: {error.strerror}. Check CAIRN_ALERTS__RULES.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from error
    if (place := next((place for place, name in enumerate(content, start=1) if looks_like_a_secret(name)), None)) is not None:
        raise ConfigurationError(
            f"{path} can't be used: the name of rule {place} looks like a secret, and names are shown. Choose another."
        )
    try:
        return Rules(_FILE.validate_python(content))
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors(include_input=False)]
        raise ConfigurationError(f"{path} can't be used: {'; '.join(lines)}.") from None
