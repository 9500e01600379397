"""Reads the price list, config/prices.toml: prices per million tokens, by model, and other bounds of a call."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, get_args

from app.budget.prices import PARTS, Price, Prices, PriceTier, Traits, tiered
from app.errors import ConfigurationError
from app.money import from_usd
from app.settings import ROOT
from app.tokens import ANY_IMAGE, ImageFormula, ImageTokens, MediaTokens

SHIPPED = ROOT / "config" / "prices.toml"
TRAITS = ("context_tokens", "image_tokens", "image_tokens_low", "image_formula", "page_tokens", "reasoning", "reasoning_apart")
FORMULAS = get_args(ImageFormula)
THOUSAND = 1000


def load(path: Path = SHIPPED) -> Prices:
    """Read a price list. ConfigurationError names the file, the model and the field that can't be used."""
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
    return Prices(priced, as_of, str(content.get("source", "")), traits, _tools(path, content.get("tools", {})))


def _tools(path: Path, given: object) -> dict[str, dict[str, int]]:
    """Read what tools cost that a vendor runs: dollars per thousand uses, by provider kind."""
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise ConfigurationError(f"The price list {path}: tools must be tables [tools.KIND], each with dollars per 1,000 uses by name.")
    found: dict[str, dict[str, int]] = {}
    for kind, uses in given.items():
        try:
            found[kind] = {name: -(-from_usd(amount) // THOUSAND) for name, amount in uses.items()}
        except ValueError as error:
            raise ConfigurationError(f"The price list {path}: a price of tools.{kind} {error} per 1,000 uses.") from None
    return found


def _price(path: Path, name: str, fields: object) -> Price:
    if not isinstance(fields, dict) or "input" not in fields:
        raise ConfigurationError(f"The price list {path} lacks the input price of {name!r}: add input, in dollars per million tokens.")
    if unknown := fields.keys() - {*PARTS, *TRAITS, "tiers"}:
        raise ConfigurationError(f"The price list {path} has unknown fields for {name!r}: {', '.join(sorted(unknown))}.")
    price = Price.from_parts(_amounts(path, name, fields))
    listed = fields.get("tiers", [])
    if not isinstance(listed, list):
        raise ConfigurationError(f'The price list {path}: tiers of {name!r} must be tables [[models."{name}".tiers]].')
    try:
        return tiered(price, [_tier(path, name, each) for each in listed])
    except ValueError as error:
        raise ConfigurationError(f"The price list {path}: the tiers of {name!r} are wrong: {error}.") from None


def _tier(path: Path, name: str, fields: object) -> PriceTier:
    """Read a tier: a price with a threshold, whose output price is required too."""
    if not isinstance(fields, dict) or not {"above_tokens", "input", "output"} <= fields.keys():
        raise ConfigurationError(f"The price list {path}: each tier of {name!r} needs above_tokens, input and output.")
    if unknown := fields.keys() - {*PARTS, "above_tokens"}:
        raise ConfigurationError(f"The price list {path} has unknown fields in a tier of {name!r}: {', '.join(sorted(unknown))}.")
    return PriceTier(_tokens(path, name, fields, "above_tokens") or 0, Price.from_parts(_amounts(path, name, fields)))


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
        raise ConfigurationError(f"The price list {path}: reasoning of {name!r} must be true or false.")
    media = MediaTokens(_images(path, name, fields), _tokens(path, name, fields, "page_tokens"))
    apart = _tokens(path, name, fields, "reasoning_apart")
    return Traits(_tokens(path, name, fields, "context_tokens"), media, reasoning or apart is not None, apart or 0)


def _images(path: Path, name: str, fields: Mapping[str, Any]) -> ImageTokens:
    each, low = _tokens(path, name, fields, "image_tokens"), _tokens(path, name, fields, "image_tokens_low")
    if low is not None and (each is None or low > each):
        raise ConfigurationError(f"The price list {path}: image_tokens_low of {name!r} needs an image_tokens that is no smaller.")
    formula = fields.get("image_formula")
    if formula is not None and (formula not in FORMULAS or each is None or (formula == "tiles" and low is None)):
        said = f"must be one of {', '.join(FORMULAS)}, beside image_tokens (and image_tokens_low, for tiles)"
        raise ConfigurationError(f"The price list {path}: image_formula of {name!r} {said}.")
    return ANY_IMAGE if each is None else ImageTokens(each, low, formula)


def _tokens(path: Path, name: str, fields: Mapping[str, Any], field: str) -> int | None:
    found = fields.get(field)
    if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 1):
        raise ConfigurationError(f"The price list {path}: {field} of {name!r} must be a number of tokens, at least 1.")
    return found
