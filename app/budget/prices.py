"""Prices of a model's tokens: what a call cost, and what it may cost at worst. Knows no provider and no file: see `price_list.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from fractions import Fraction
from operator import add, attrgetter

from app.errors import NotFound
from app.tokens import ANY_IMAGE, ImageTokens

MTOK = 1_000_000
PARTS = ("input", "output", "cached_input", "cache_write")
CACHE_PARTS = frozenset({"cached_input", "cache_write"})
VERSION = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
"""The suffix that a provider adds to a model's name for one version of it."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one attempt. `cached_input` and `cache_write` are parts of `input`.

    `reasoning`: the part of `output` that nobody sees, where the provider tells it; it has no price of its own.
    """

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = field(default=0, compare=False)

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: TokenUsage) -> TokenUsage:
        """Return the tokens of both, as of several attempts at one answer."""
        return TokenUsage(*map(add, _counts(self), _counts(other)))


_counts = attrgetter(*(each.name for each in fields(TokenUsage)))


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """Upper bounds of one attempt's tokens, true only if `max_tokens` is sent: each of the `choices` may have as many.

    Whatever else a provider may bill is bounded here too, and priced in `Price.worst_case`.
    """

    input_tokens: int
    max_tokens: int
    choices: int = 1

    @property
    def output_tokens(self) -> int:
        return self.max_tokens * self.choices

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars per million tokens. `tiers`: what longer prompts cost, ascending: see `tiered`."""

    input: int
    output: int = 0
    cached_input: int | None = None
    cache_write: int | None = None
    tiers: tuple[PriceTier, ...] = ()

    @classmethod
    def from_parts(cls, parts: Mapping[str, int]) -> Price:
        """Build a price from its parts by name."""
        return cls(parts["input"], parts.get("output", 0), parts.get("cached_input"), parts.get("cache_write"))

    @property
    def parts(self) -> dict[str, int]:
        """Return its parts by name, without those that are not set."""
        return {part: amount for part in PARTS if (amount := getattr(self, part)) is not None}

    def for_prompt(self, prompt_tokens: int) -> Price:
        """Return the price of a call with a prompt of this length: the highest tier that it passes prices all of its tokens."""
        return next((tier.price for tier in reversed(self.tiers) if prompt_tokens > tier.above_tokens), self)

    def cost(self, usage: TokenUsage) -> int:
        """Compute the cost of a usage in nano-dollars, rounded up: a charge is never below the real price."""
        price = self.for_prompt(usage.input)
        cached = price.input if price.cached_input is None else price.cached_input
        written = price.input if price.cache_write is None else price.cache_write
        plain = max(0, usage.input - usage.cached_input - usage.cache_write)
        total = plain * price.input + usage.cached_input * cached + usage.cache_write * written + usage.output * price.output
        return -(-total // MTOK)

    def worst_case(self, bounds: TokenBounds) -> int:
        """Compute the most that a call within these bounds can cost, in nano-dollars.

        Prompt and answer are each rounded up, so that a shrunk answer fits what the prompt leaves. Priced at the highest tier that the
        prompt may reach: no shorter one costs more.
        """
        price = self.for_prompt(bounds.input_tokens)
        prompt = -(-bounds.input_tokens * price.max_input_price // MTOK)
        return prompt + -(-bounds.output_tokens * price.output // MTOK)

    @property
    def max_input_price(self) -> int:
        """Return the highest price of a million input tokens, whatever the provider's cache does."""
        return max(self.input, self.cached_input or 0, self.cache_write or 0)

    def as_record(self, prompt_tokens: int) -> dict[str, int | None]:
        """Describe the price for a movement; `above_tokens`: of the tier, where one applied."""
        above = max((tier.above_tokens for tier in self.tiers if prompt_tokens > tier.above_tokens), default=None)
        parts = dict.fromkeys(PARTS) | self.for_prompt(prompt_tokens).parts
        return parts if above is None else {**parts, "above_tokens": above}


@dataclass(frozen=True, slots=True)
class PriceTier:
    """The price of a call whose prompt has more tokens than `above_tokens`."""

    above_tokens: int
    price: Price


def tiered(price: Price, tiers: Sequence[PriceTier]) -> Price:
    """Add tiers to a price. ValueError unless they ascend, each at least as expensive as the one before: a hold relies on that."""
    before, above = price, 0
    for tier in tiers:
        if tier.above_tokens <= above:
            raise ValueError(f"tiers must ascend: above_tokens {tier.above_tokens} comes after {above}")
        for part in PARTS:
            lower, own = getattr(before, part), getattr(tier.price, part)
            if (lower is None) != (own is None):
                raise ValueError(f"the tier above {tier.above_tokens} tokens must name {part} if, and only if, the price below it does")
            if lower is not None and own < lower:
                raise ValueError(f"{part} of the tier above {tier.above_tokens} tokens is below that of shorter prompts")
        before, above = tier.price, tier.above_tokens
    return replace(price, tiers=tuple(tiers))


def overruled(price: Price, parts: Mapping[str, int]) -> Price:
    """Replace parts of a price. A tier stays at least as expensive as the new price, and has the parts that it has.

    A cache price that is not replaced rises with the input price: it would otherwise stay that of a cheaper provider.
    """
    base = _raised(price, parts)
    tiers = []
    for tier in price.tiers:
        own = _raised(tier.price, {part: max(amount, tier.price.parts.get(part, 0)) for part, amount in parts.items()})
        tiers.append(PriceTier(tier.above_tokens, Price.from_parts({part: max(amount, base[part]) for part, amount in own.items()})))
    return tiered(Price.from_parts(base), tiers)


def _raised(price: Price, parts: Mapping[str, int]) -> dict[str, int]:
    """Return a price's parts with some replaced, the cache prices among the others raised as the input price is, never lowered."""
    new = {**price.parts, **parts}
    for part in CACHE_PARTS & price.parts.keys() - parts.keys():
        proportional = -(-price.parts[part] * new["input"] // price.input) if price.input else new["input"]
        new[part] = max(price.parts[part], proportional)
    return new


def with_cache_writes(price: Price, factor: Fraction) -> Price:
    """Set the price of cache writes, where it isn't set, to the input price times a factor; also in its tiers."""
    if price.cache_write is not None:
        return price
    tiers = tuple(PriceTier(tier.above_tokens, with_cache_writes(tier.price, factor)) for tier in price.tiers)
    return replace(price, cache_write=math.ceil(price.input * factor), tiers=tiers)


@dataclass(frozen=True, slots=True)
class Traits:
    """A model's other bounds on the price of a call. `context_tokens` None: unknown window; `reasoning`: it may bill hidden thinking."""

    context_tokens: int | None = None
    images: ImageTokens = ANY_IMAGE
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list, by model. `as_of` and `source`: when the prices were true, and where they are from. `traits`: of models with any."""

    models: Mapping[str, Price]
    as_of: date | None = None
    source: str = ""
    traits: Mapping[str, Traits] = field(default_factory=dict)

    def price_of(self, model: str) -> Price:
        """Return a model's price. NotFound, naming the model, if it has none: it must not be called."""
        price = self.models.get(model) or self.models.get(model.rpartition("/")[2])
        if price is None:
            raise NotFound(
                f"The model {model!r} has no price, so it can't be called. Name another, or ask an admin to add its"
                " price to the price list (a local model may cost 0).",
                code="model_without_price",
                param="model",
            )
        return price

    def traits_of(self, model: str) -> Traits:
        """Return the traits of a model, or of the one that it is a dated version of; for any other, bounds that no known model exceeds."""
        bare = model.rpartition("/")[2]
        for name in (model, bare, VERSION.sub("", bare)):
            if name in self.models:
                return self.traits.get(name, Traits())
        return Traits()
