"""Prices of a model's tokens: what a call cost, and what it may cost at worst. Knows no provider and no file: see `price_list.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Any, Literal

from app.errors import NotFound
from app.tokens import ANY_MEDIA, MediaTokens

MTOK = 1_000_000
PARTS = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
CACHE_PARTS = frozenset({"cached_input", "cache_write", "cache_write_1h"})
CacheWrites = Literal["none", "5m", "1h"]
"""The longest lifetime for which a request asks the provider to keep a part of its prompt; "1h" also where that isn't known."""
VERSION = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
"""The suffix that a provider adds to a model's name for one version of it."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one attempt. `cached_input` and `cache_write` are parts of `input`, `cache_write_1h` one of `cache_write`.

    `cache_write_1h` None: the provider doesn't tell it, so it may be all of them; see `within`. `tool_uses`: of tools that the provider
    ran, by name. `reasoning`: the part of `output` that nobody sees, where the provider tells it; it has no price of its own.
    """

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int | None = None
    tool_uses: Mapping[str, int] = field(default_factory=dict, hash=False)
    reasoning: int = field(default=0, compare=False)

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: TokenUsage) -> TokenUsage:
        """Add another attempt's. The lifetime of cache writes is told if each that has some tells it."""
        untold = any(each.cache_write_1h is None and each.cache_write for each in (self, other))
        told = [each.cache_write_1h for each in (self, other) if each.cache_write_1h is not None]
        return TokenUsage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached_input=self.cached_input + other.cached_input,
            cache_write=self.cache_write + other.cache_write,
            cache_write_1h=sum(told) if told and not untold else None,
            tool_uses={name: self.tool_uses.get(name, 0) + other.tool_uses.get(name, 0) for name in {**self.tool_uses, **other.tool_uses}},
            reasoning=self.reasoning + other.reasoning,
        )


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """Upper bounds of one attempt's tokens, true only if `max_tokens` is sent: each of the `choices` may have as many.

    Whatever else a provider may bill is bounded here too, and priced in `Price.worst_case`: `reasoning_tokens` of each choice, where the
    provider bills them beside `max_tokens`; `tool_uses` of tools that it runs, by name, and the `tool_tokens` of input that those add;
    `untold_tools`: those whose uses its usage doesn't tell.
    """

    input_tokens: int
    max_tokens: int
    choices: int = 1
    cache_writes: CacheWrites = "1h"
    reasoning_tokens: int = 0
    tool_uses: Mapping[str, int] = field(default_factory=dict, hash=False)
    tool_tokens: int = 0
    untold_tools: frozenset[str] = frozenset()

    @property
    def billed_input_tokens(self) -> int:
        """The prompt, and what tools add to it in later rounds."""
        return self.input_tokens + self.tool_tokens

    @property
    def output_tokens(self) -> int:
        return (self.max_tokens + self.reasoning_tokens) * self.choices

    @property
    def total(self) -> int:
        return self.billed_input_tokens + self.output_tokens

    def most(self) -> TokenUsage:
        """Return the dearest usage: what is charged where nobody tells what was used."""
        return TokenUsage(input=self.billed_input_tokens, output=self.output_tokens, tool_uses=self.tool_uses)

    def within(self, usage: TokenUsage) -> TokenUsage:
        """Complete a usage by what was asked for.

        Cache writes of an untold lifetime can't have the long one if nobody asked for it; tools whose uses are untold were used.
        """
        if usage.cache_write and usage.cache_write_1h is None and self.cache_writes != "1h":
            usage = replace(usage, cache_write_1h=0)
        untold = {name: self.tool_uses.get(name, 0) for name in self.untold_tools - usage.tool_uses.keys()}
        if untold:
            usage = replace(usage, tool_uses={**usage.tool_uses, **untold})
        return usage


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars per million tokens. `tiers`: what longer prompts cost, ascending: see `tiered`.

    `tools`: nano-dollars per use of the tools that the vendor runs, by name.
    """

    input: int
    output: int = 0
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    tiers: tuple[PriceTier, ...] = ()
    tools: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def is_free(self) -> bool:
        """Tell whether no part of it costs anything, as that of a local model."""
        parts = (self.input, self.output, self.cached_input, self.cache_write, self.cache_write_1h, *self.tools.values())
        return not any(parts) and not self.tiers

    @classmethod
    def from_parts(cls, parts: Mapping[str, int]) -> Price:
        """Build a price from its parts by name."""
        return cls(parts["input"], parts.get("output", 0), parts.get("cached_input"), parts.get("cache_write"), parts.get("cache_write_1h"))

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
        written, written_1h = price.write_prices
        long_lived = usage.cache_write if usage.cache_write_1h is None else usage.cache_write_1h
        short_lived = max(0, usage.cache_write - long_lived)
        plain = max(0, usage.input - usage.cached_input - short_lived - long_lived)
        total = plain * price.input + usage.cached_input * cached + usage.output * price.output
        return -(-(total + short_lived * written + long_lived * written_1h) // MTOK) + self._tools(usage.tool_uses)

    def worst_case(self, bounds: TokenBounds) -> int:
        """Compute the most that a call within these bounds can cost, in nano-dollars.

        Prompt and answer are each rounded up, so that a shrunk answer fits what the prompt leaves. Priced at the highest tier that the
        prompt may reach: no shorter one costs more.
        """
        price = self.for_prompt(bounds.billed_input_tokens)
        prompt = -(-bounds.billed_input_tokens * price.max_input_price(bounds.cache_writes) // MTOK)
        return prompt + -(-bounds.output_tokens * price.output // MTOK) + self._tools(bounds.tool_uses)

    def max_input_price(self, writes: CacheWrites = "1h") -> int:
        """Return the highest price of a million input tokens, whatever the provider's cache does within what it was asked to keep."""
        written, written_1h = self.write_prices
        asked = {"none": (), "5m": (written,), "1h": (written, written_1h)}[writes]
        return max(self.input, self.cached_input or 0, *asked)

    @property
    def write_prices(self) -> tuple[int, int]:
        """The prices of cache writes of the short and the long lifetime; one that isn't set is as the one before it, at last as input."""
        written = self.input if self.cache_write is None else self.cache_write
        return written, written if self.cache_write_1h is None else self.cache_write_1h

    def _tools(self, uses: Mapping[str, int]) -> int:
        return sum(self.tools.get(name, 0) * count for name, count in uses.items())

    def as_record(self, usage: TokenUsage) -> dict[str, Any]:
        """Describe how a usage was priced, for a movement. `above_tokens`: of the tier, where one applied.

        `cache_write_1h_tokens`: the part of the cache writes at that price, where it was told; `tools`: their uses, and the price of one.
        """
        above = max((tier.above_tokens for tier in self.tiers if usage.input > tier.above_tokens), default=None)
        long_lived = usage.cache_write_1h if usage.cache_write else None
        tools = {name: {"uses": uses, "price": self.tools.get(name, 0)} for name, uses in usage.tool_uses.items()}
        more = {"above_tokens": above, "cache_write_1h_tokens": long_lived, "tools": tools or None}
        parts = dict.fromkeys(PARTS) | self.for_prompt(usage.input).parts
        return {**parts, **{name: value for name, value in more.items() if value is not None}}


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
                raise ValueError(f"the tier above {tier.above_tokens} tokens must set {part} exactly if the price below it does")
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


def with_cache_writes(price: Price, short: Fraction, long: Fraction) -> Price:
    """Set the prices of cache writes of either lifetime, where they aren't set, to factors of the input price; also in its tiers.

    The long one is never below the short one.
    """
    written = math.ceil(price.input * short) if price.cache_write is None else price.cache_write
    longer = max(written, math.ceil(price.input * long)) if price.cache_write_1h is None else price.cache_write_1h
    tiers = tuple(PriceTier(tier.above_tokens, with_cache_writes(tier.price, short, long)) for tier in price.tiers)
    return replace(price, cache_write=written, cache_write_1h=longer, tiers=tiers)


@dataclass(frozen=True, slots=True)
class Traits:
    """A model's other bounds on the price of a call. `context_tokens` None: unknown window; `reasoning`: it may bill hidden thinking.

    `reasoning_apart`: the most tokens of thinking that it bills beside `max_tokens`, of each choice.
    """

    context_tokens: int | None = None
    media: MediaTokens = ANY_MEDIA
    reasoning: bool = False
    reasoning_apart: int = 0


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list, by model. `as_of` and `source`: when the prices were true, and where they are from. `traits`: of models with any.

    `tools`: nano-dollars per use of the tools that a vendor runs, by provider kind and name.
    """

    models: Mapping[str, Price]
    as_of: date | None = None
    source: str = ""
    traits: Mapping[str, Traits] = field(default_factory=dict)
    tools: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def price_of(self, model: str) -> Price:
        """Return a model's price. NotFound, naming the model, if it has none: it must not be called."""
        price = self.models.get(model) or self.models.get(model.rpartition("/")[2])
        if price is None:
            raise NotFound(
                f"The model {model!r} has no price, so it can't be called. Use another model, or ask an admin to add its price to the "
                "price list (0 for a free local model).",
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
