"""Finds the price and the bounds of a provider's model: the price list's, with what the provider's settings override."""

from __future__ import annotations

from dataclasses import replace

from app.budget.prices import PARTS, Price, Prices, PriceTier, Traits, overruled, tiered, with_cache_writes
from app.errors import ConfigurationError
from app.inference.profiles import ANTHROPIC, AS_INPUT, profile_of
from app.money import from_usd
from app.settings import PriceTierSettings, ProviderSettings
from app.tokens import ImageTokens, MediaTokens


def price_of(prices: Prices, options: ProviderSettings) -> Price:
    """Return the price of a provider's model, with those of its cache writes and of the tools that it runs.

    NotFound for a model without a price, ConfigurationError for tiers that can't be used.
    """
    price = _set_price(prices, options)
    factors = (ANTHROPIC if "claude" in options.model.lower() else profile_of(options.kind)).cache_write_factors
    price = price if factors == AS_INPUT else with_cache_writes(price, *factors)
    return replace(price, tools=prices.tools.get(options.kind, {}))


def traits_of(prices: Prices, options: ProviderSettings) -> Traits:
    """Return the model's listed traits, with each one that the provider's settings override."""
    listed = prices.traits_of(options.model)
    return Traits(
        listed.context_tokens if options.context_tokens is None else options.context_tokens,
        listed.media if options.image_tokens is None else MediaTokens(ImageTokens(options.image_tokens), listed.media.page),
        listed.reasoning if options.reasoning is None else options.reasoning,
        listed.reasoning_apart if options.reasoning_apart is None else options.reasoning_apart,
    )


def _set_price(prices: Prices, options: ProviderSettings) -> Price:
    """Return the model's list price, with each part that the provider's settings override."""
    set_ones = _parts(options)
    if {"input", "output"} <= set_ones.keys():
        price = Price.from_parts(set_ones)
    else:
        price = overruled(prices.price_of(options.model), set_ones)
    if not options.price_tiers:
        return price
    tiers = [_tier(each) for each in options.price_tiers]
    if options.cache_write_1h_usd_per_mtok is None and all(tier.price.cache_write_1h is None for tier in tiers):
        price = replace(price, cache_write_1h=None)  # the list's stands for no tier: see `with_cache_writes`
    try:
        return tiered(replace(price, tiers=()), tiers)
    except ValueError as error:
        raise ConfigurationError(f"The price_tiers of {options.model!r} can't be used: {error}.") from None


def _tier(given: PriceTierSettings) -> PriceTier:
    return PriceTier(given.above_tokens, Price.from_parts(_parts(given)))


def _parts(given: ProviderSettings | PriceTierSettings) -> dict[str, int]:
    """Return the parts of a price that the settings name, in nano-dollars per million tokens."""
    amounts = {part: getattr(given, f"{part}_usd_per_mtok") for part in PARTS}
    return {part: from_usd(amount) for part, amount in amounts.items() if amount is not None}
