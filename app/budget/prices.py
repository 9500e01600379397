"""What a million tokens cost, by model: config/prices.toml. Knows no provider; a caller may overrule a price."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from app.errors import ConfigurationError, NotFound
from app.money import from_usd
from app.settings import ROOT

SHIPPED = ROOT / "config" / "prices.toml"
MTOK = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt. `cached_input` and `cache_write` are parts of `input`."""

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars per million tokens."""

    input: int
    output: int = 0
    cached_input: int | None = None
    cache_write: int | None = None

    def cost(self, usage: Usage) -> int:
        """Nano-dollars, rounded up: what is charged is never below the real price."""
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        plain = max(0, usage.input - usage.cached_input - usage.cache_write)
        total = plain * self.input + usage.cached_input * cached + usage.cache_write * written + usage.output * self.output
        return -(-total // MTOK)

    @property
    def dearest_input(self) -> int:
        """Of a million input tokens, whatever the provider's cache does: for an estimate."""
        return max(self.input, self.cached_input or 0, self.cache_write or 0)


@dataclass(frozen=True, slots=True)
class Prices:
    """`as_of` and `source`: when and where the list was read."""

    models: Mapping[str, Price]
    as_of: date | None = None
    source: str = ""

    def of(self, model: str) -> Price:
        """NotFound, naming the model, when it has no price: it must not be called."""
        price = self.models.get(model) or self.models.get(model.rpartition("/")[2])
        if price is None:
            raise NotFound(
                f"The model {model!r} has no price, so it can't be called: add it to config/prices.toml (a local model may cost 0).",
                code="model_without_price",
                param="model",
            )
        return price


def load(path: Path = SHIPPED) -> Prices:
    """ConfigurationError names the model and the field that can't be used."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"The price list {path} can't be read: {error}.") from error
    models = content.get("models")
    as_of = content.get("as_of")
    if not isinstance(models, dict) or not isinstance(as_of, date):
        raise ConfigurationError(f'The price list {path} needs `as_of` (a date) and [models."NAME"] tables.')
    return Prices({name: _price(path, name, fields) for name, fields in models.items()}, as_of, str(content.get("source", "")))


def _price(path: Path, name: str, fields: object) -> Price:
    if not isinstance(fields, dict) or "input" not in fields:
        raise ConfigurationError(f"The price list {path} lacks the input price of {name!r}.")
    if unknown := fields.keys() - {"input", "output", "cached_input", "cache_write"}:
        raise ConfigurationError(f"The price list {path} has unknown fields for {name!r}: {', '.join(sorted(unknown))}.")
    amounts: dict[str, int] = {}
    for field, amount in fields.items():
        try:
            amounts[field] = from_usd(amount)
        except ValueError as error:
            raise ConfigurationError(f"The price list {path}: {field} of {name!r} {error} per million tokens.") from None
    return Price(**amounts)
