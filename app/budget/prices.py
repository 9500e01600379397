"""Prices per million tokens, by model, and other bounds of a call, from config/prices.toml. Knows no provider; a caller may overrule it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, NotFound
from app.money import from_usd
from app.settings import ROOT
from app.tokens import ANY_IMAGE, ImageTokens

SHIPPED = ROOT / "config" / "prices.toml"
MTOK = 1_000_000
PARTS = ("input", "output", "cached_input", "cache_write")
TRAITS = ("context_tokens", "image_tokens", "image_tokens_low", "reasoning")
VERSION = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
"""What providers put behind a model's name for one state of it."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
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
    """Nano-dollars per million tokens. `tiers`: what longer prompts cost, ascending: see `tiered`."""

    input: int
    output: int = 0
    cached_input: int | None = None
    cache_write: int | None = None
    tiers: tuple[PriceTier, ...] = ()

    @classmethod
    def of(cls, parts: Mapping[str, int]) -> Price:
        """Make one of its parts by name."""
        return cls(parts["input"], parts.get("output", 0), parts.get("cached_input"), parts.get("cache_write"))

    @property
    def parts(self) -> dict[str, int]:
        """The parts that it has, by name."""
        return {part: amount for part in PARTS if (amount := getattr(self, part)) is not None}

    def at(self, prompt_tokens: int) -> Price:
        """The price of a call with a prompt so long: all of its tokens cost what the highest tier that it passes says."""
        return next((tier.price for tier in reversed(self.tiers) if prompt_tokens > tier.above_tokens), self)

    def cost(self, usage: TokenUsage) -> int:
        """Nano-dollars, rounded up: what is charged is never below the real price."""
        price = self.at(usage.input)
        cached = price.input if price.cached_input is None else price.cached_input
        written = price.input if price.cache_write is None else price.cache_write
        plain = max(0, usage.input - usage.cached_input - usage.cache_write)
        total = plain * price.input + usage.cached_input * cached + usage.cache_write * written + usage.output * price.output
        return -(-total // MTOK)

    @property
    def dearest_input(self) -> int:
        """Return the highest price of a million input tokens, whatever the provider's cache does."""
        return max(self.input, self.cached_input or 0, self.cache_write or 0)

    def noted(self, prompt_tokens: int) -> dict[str, int | None]:
        """Describe the price for a movement; `above_tokens`: of the tier, where one applied."""
        above = max((tier.above_tokens for tier in self.tiers if prompt_tokens > tier.above_tokens), default=None)
        parts = dict.fromkeys(PARTS) | self.at(prompt_tokens).parts
        return parts if above is None else {**parts, "above_tokens": above}


@dataclass(frozen=True, slots=True)
class PriceTier:
    """The price of a call whose prompt has more tokens than `above_tokens`."""

    above_tokens: int
    price: Price


def tiered(price: Price, tiers: Sequence[PriceTier]) -> Price:
    """Put tiers on a price. ValueError unless they ascend, each at least as dear as the one before it: a hold rests on that."""
    before, above = price, 0
    for tier in tiers:
        if tier.above_tokens <= above:
            raise ValueError(f"tiers must ascend: above_tokens {tier.above_tokens} comes after {above}")
        for part in PARTS:
            least, most = getattr(before, part), getattr(tier.price, part)
            if (least is None) != (most is None):
                raise ValueError(f"the tier above {tier.above_tokens} tokens must name {part} if, and only if, the price below it does")
            if least is not None and most < least:
                raise ValueError(f"{part} of the tier above {tier.above_tokens} tokens is below that of shorter prompts")
        before, above = tier.price, tier.above_tokens
    return replace(price, tiers=tuple(tiers))


def overruled(price: Price, parts: Mapping[str, int]) -> Price:
    """Replace parts of a price. A tier stays at least as dear as the new price, and has the parts that it has."""
    tiers = []
    for tier in price.tiers:
        dearer = {part: max(own, tier.price.parts.get(part, 0)) for part, own in parts.items()}
        tiers.append(PriceTier(tier.above_tokens, Price.of(tier.price.parts | dearer)))
    return tiered(Price.of({**price.parts, **parts}), tiers)


@dataclass(frozen=True, slots=True)
class Traits:
    """Other bounds on the price of a call. `context_tokens` None: its window is unknown; `reasoning`: it may bill hidden thinking."""

    context_tokens: int | None = None
    images: ImageTokens = ANY_IMAGE
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Prices:
    """`as_of` and `source`: when and where the list was read. `traits`: of the models that it tells some of."""

    models: Mapping[str, Price]
    as_of: date | None = None
    source: str = ""
    traits: Mapping[str, Traits] = field(default_factory=dict)

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

    def traits_of(self, model: str) -> Traits:
        """Those of the model, or of the one that it is a dated version of; for any other what no model exceeds."""
        bare = model.rpartition("/")[2]
        for name in (model, bare, VERSION.sub("", bare)):
            if name in self.models:
                return self.traits.get(name, Traits())
        return Traits()


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
    priced = {name: _price(path, name, fields) for name, fields in models.items()}
    traits = {name: found for name, fields in models.items() if (found := _traits(path, name, fields)) != Traits()}
    return Prices(priced, as_of, str(content.get("source", "")), traits)


def _price(path: Path, name: str, fields: object) -> Price:
    if not isinstance(fields, dict) or "input" not in fields:
        raise ConfigurationError(f"The price list {path} lacks the input price of {name!r}.")
    if unknown := fields.keys() - {*PARTS, *TRAITS, "tiers"}:
        raise ConfigurationError(f"The price list {path} has unknown fields for {name!r}: {', '.join(sorted(unknown))}.")
    price = Price.of(_amounts(path, name, fields))
    listed = fields.get("tiers", [])
    if not isinstance(listed, list):
        raise ConfigurationError(f'The price list {path}: tiers of {name!r} are tables [[models."{name}".tiers]].')
    try:
        return tiered(price, [_tier(path, name, each) for each in listed])
    except ValueError as error:
        raise ConfigurationError(f"The price list {path}: of {name!r} {error}.") from None


def _tier(path: Path, name: str, fields: object) -> PriceTier:
    """As a price, but with an output price in any case."""
    if not isinstance(fields, dict) or not {"above_tokens", "input", "output"} <= fields.keys():
        raise ConfigurationError(f"The price list {path}: each tier of {name!r} needs above_tokens, input and output.")
    if unknown := fields.keys() - {*PARTS, "above_tokens"}:
        raise ConfigurationError(f"The price list {path} has unknown fields in a tier of {name!r}: {', '.join(sorted(unknown))}.")
    return PriceTier(_tokens(path, name, fields, "above_tokens") or 0, Price.of(_amounts(path, name, fields)))


def _amounts(path: Path, name: str, fields: Mapping[str, Any]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for part in (each for each in PARTS if each in fields):
        try:
            amounts[part] = from_usd(fields[part])
        except ValueError as error:
            raise ConfigurationError(f"The price list {path}: {part} of {name!r} {error} per million tokens.") from None
    return amounts


def _traits(path: Path, name: str, fields: Mapping[str, Any]) -> Traits:
    reasoning = fields.get("reasoning", False)
    if not isinstance(reasoning, bool):
        raise ConfigurationError(f"The price list {path}: reasoning of {name!r} is true or false.")
    most, low = _tokens(path, name, fields, "image_tokens"), _tokens(path, name, fields, "image_tokens_low")
    if low is not None and (most is None or low > most):
        raise ConfigurationError(f"The price list {path}: image_tokens_low of {name!r} needs an image_tokens that is no smaller.")
    images = ANY_IMAGE if most is None else ImageTokens(most, low)
    return Traits(_tokens(path, name, fields, "context_tokens"), images, reasoning)


def _tokens(path: Path, name: str, fields: Mapping[str, Any], field: str) -> int | None:
    found = fields.get(field)
    if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 1):
        raise ConfigurationError(f"The price list {path}: {field} of {name!r} is a number of tokens, at least 1.")
    return found
