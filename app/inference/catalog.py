"""Build providers and chains from the settings: which providers are usable, and which provider a model's name stands for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.budget.prices import Price, Prices
from app.embeddings import Embedder
from app.errors import CairnError, ConfigurationError, NotFound
from app.inference.allowed_models import AllowedModels, checked, names_chain, not_allowed, permits, spellings
from app.inference.breaker import Changed, CircuitBreaker
from app.inference.chain import ChainProvider
from app.inference.claude_models import takes_prefill
from app.inference.profiles import BUILT_IN, Dialect, profile_of
from app.inference.provider_prices import price_of, traits_of
from app.inference.request import ChatRequest
from app.inference.wires.compatible import CompatibleWire
from app.inference.wires.gemini import gemini_wire
from app.inference.wires.messages import messages_wire
from app.inference.wires.own import OwnWire
from app.inference.wires.wire import Wire
from app.money import from_usd
from app.settings import InferenceSettings, secret_of
from app.settings import ProviderSettings as Options
from app.tokens import count_text

AUTO = "auto"
OWN_MODEL = "all-MiniLM-L6-v2"
"""The built-in embedding model."""
_WIRES: Mapping[Dialect, Callable[..., Wire]] = {"chat": CompatibleWire, "messages": messages_wire, "gemini": gemini_wire}
Readiness = Literal["ready", "no_key", "no_address", "no_price", "unusable"]


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """The state of a configured provider: ready, or what is missing. `free`: its calls cost nothing."""

    name: str
    model: str
    readiness: Readiness
    detail: str
    free: bool = False


class Catalog:
    """The usable providers, their chains, embedding models and breakers.

    Raises ConfigurationError for a chain that names a provider which isn't configured.
    """

    def __init__(
        self,
        providers: Mapping[str, Options],
        options: InferenceSettings,
        prices: Prices,
        *,
        embedder: Embedder | None = None,
        environment: Mapping[str, str] = os.environ,
        changed: Changed | None = None,
    ) -> None:
        self.statuses: list[ProviderStatus] = []
        self.embedding: dict[str, ChainProvider] = {}
        self.tokenizers_loaded = asyncio.Event()
        """Set once `prepare` has loaded them, or has failed to."""
        self._ready: dict[str, ChainProvider] = {}
        self._options = options
        self._prices = prices
        for name, each in providers.items():
            self.statuses.append(self._add_provider(name, each, environment))
        if embedder is not None:
            self.embedding[OWN_MODEL] = ChainProvider(BUILT_IN.kind, BUILT_IN, OWN_MODEL, Price(0), OwnWire(embedder))
        owners = {*self._ready, *(each.name for each in self.embedding.values())}
        self._breakers = {name: CircuitBreaker(name, options.breaker, changed=changed) for name in sorted(owners)}
        self._chains = {AUTO: options.chain, **options.profiles}
        self._models = {spelling for name, each in providers.items() for spelling in (name, each.model, f"{name}/{each.model}")}
        self._configured = self._models | self._chains.keys()
        for chain, names in self._chains.items():
            if unknown := set(names) - providers.keys():
                missing = ", ".join(sorted(unknown))
                raise ConfigurationError(
                    f"The chain {chain!r} names {missing}, for which the configuration has no section [providers.NAME]. Add the "
                    "section, or remove the name from the chain."
                )

    def require_configured(self, model: str, *, setting: str) -> None:
        """Raise ConfigurationError if a setting names neither a profile nor a provider's model; a missing API key is no error."""
        if model not in self._configured:
            names = ", ".join(sorted(self._configured))
            raise ConfigurationError(f"{setting} is {model!r}, which is neither a profile nor a provider's model. There are: {names}.")

    def candidates(self, model: str, allowed: AllowedModels = None) -> list[ChainProvider]:
        """Return the providers to ask for a model, in order: those that the key may use.

        NotFound for an unknown model, or if none of its providers is usable; NotPermitted where the key may use none of them.
        """
        if found := self._usable(model):
            return self._permitted(found, model, allowed)
        self._raise_if_unpriced(model)
        raise _unknown_model(model, [name for name in self.models(allowed) if name not in self.embedding])  # those answer no chat

    def resolve(self, request: ChatRequest, allowed: AllowedModels = None) -> ChatRequest:
        """Return the request with the chain of its model. Errors as `candidates` raises them."""
        return request if request.chain else replace(request, chain=self.candidates(request.model, allowed))

    def models(self, allowed: AllowedModels = None) -> list[str]:
        """List the names that a request may use: chains with a usable provider, then each provider's model; of these what the key may."""
        ready = {name: each for name, each in self._ready.items() if allowed is None or permits(allowed, each)}
        embedding = [name for name, each in self.embedding.items() if allowed is None or permits(allowed, each)]
        chains = [name for name in self._chains if (found := self._usable(name)) and self._left(found, name, allowed)]
        return list(dict.fromkeys([*chains, *(each.model for each in ready.values()), *embedding]))

    def require(self, model: str, allowed: AllowedModels = None) -> None:
        """Raise NotFound, with the names that there are, unless a request may use this name: for answers or for embeddings.

        NotPermitted where only this key may not.
        """
        found = [self.embedding[model]] if model in self.embedding else self._usable(model)
        if not found:
            self._raise_if_unpriced(model)
            raise _unknown_model(model, self.models(allowed))
        self._permitted(found, model, allowed)

    def checked_models(self, given: Sequence[str]) -> tuple[str, ...]:
        """Return a list of models that a key is to have. InvalidInput for an entry that means nothing here, with the nearest name."""
        own = {name for each in self.embedding.values() for name in spellings(each)}
        return checked(given, self._models | own, self._chains)

    def _permitted(self, found: list[ChainProvider], model: str, allowed: AllowedModels) -> list[ChainProvider]:
        if not (left := self._left(found, model, allowed)):
            raise not_allowed(model, allowed or ())
        return left

    def _left(self, found: list[ChainProvider], model: str, allowed: AllowedModels) -> list[ChainProvider]:
        """Return those of the providers of this name that a key may use; all of a chain that stands in its list."""
        if allowed is None or (model in self._chains and names_chain(allowed, model)):
            return found
        return [each for each in found if permits(allowed, each)]

    def _usable(self, model: str) -> list[ChainProvider]:
        """Return the usable providers of a chain, or of a provider's model by any of its names, in order."""
        if model in self._chains:
            return [self._ready[name] for name in self._chains[model] if name in self._ready]
        return [each for each in self._ready.values() if model in {each.model, each.name, f"{each.name}/{each.model}"}]

    def runs_here(self, model: str) -> bool:
        """Tell whether an embedding model is the built-in one, which runs on this machine. False for an unknown model."""
        try:
            return self.embedder(model).profile.runs_here
        except CairnError:
            return False

    def embedder(self, model: str, allowed: AllowedModels = None) -> ChainProvider:
        """Return the one provider of an embedding model. "auto": the first that is configured, else the built-in one.

        No fallback: vectors of two models don't mix. NotFound for an unknown model, NotPermitted for one that the key may not use.
        """
        found = self._embedder(model)
        return found if allowed is None else self._permitted([found], model, allowed)[0]

    def _embedder(self, model: str) -> ChainProvider:
        if model == AUTO and self.embedding:
            return next(iter(self.embedding.values()))
        found = self.embedding.get(model) or self.embedding.get(model.partition("/")[2])
        if found is None:
            names = ", ".join([AUTO, *self.embedding])
            raise NotFound(f"There is no embedding model {model!r} here. There are: {names}.", code="model_not_found", param="model")
        return found

    def breaker(self, candidate: ChainProvider) -> CircuitBreaker:
        return self._breakers[candidate.name]

    @property
    def batch_concurrency(self) -> int:
        """The requests of a batch that run at once, per first provider of their chains."""
        return self._options.batch_concurrency

    @property
    def breakers(self) -> Mapping[str, CircuitBreaker]:
        return self._breakers

    async def prepare(self) -> None:
        """Load tokenizers and libraries, so that the first request needn't."""
        try:
            for candidate in self._ready.values():
                await asyncio.to_thread(count_text, "ready", model=candidate.model)
        finally:
            self.tokenizers_loaded.set()
        if any(candidate.profile.dialect is None for candidate in self._ready.values()):
            from app.inference.wires import library

            await library.prepare()

    async def close(self) -> None:
        for candidate in self._ready.values():
            await candidate.wire.close()

    def _add_provider(self, name: str, options: Options, environment: Mapping[str, str]) -> ProviderStatus:
        try:
            key = secret_of(options.api_key_env, environment) if options.api_key_env else None
        except ConfigurationError as error:
            return ProviderStatus(name, options.model, "unusable", error.message)
        if options.api_key_env and not key:
            return ProviderStatus(name, options.model, "no_key", f"{options.api_key_env} is not set, so it is not used")
        if profile_of(options.kind).needs_address and options.api_base is None:
            return ProviderStatus(
                name, options.model, "no_address", f"no address: CAIRN_PROVIDERS__{name.upper()}__API_BASE, so it is not used"
            )
        try:
            price = price_of(self._prices, options)
        except NotFound as error:
            return ProviderStatus(name, options.model, "no_price", error.message)
        except ConfigurationError as error:
            return ProviderStatus(name, options.model, "unusable", error.message)
        try:
            wire = self._wire(options, key)
        except CairnError as error:
            return ProviderStatus(name, options.model, "unusable", error.message)
        self._ready[name] = self._provider(name, options, price, wire)
        if options.embedding_model is not None:
            try:
                self._add_embedding_model(name, options, options.embedding_model, wire)
            except NotFound as error:
                return ProviderStatus(name, options.model, "ready", f"ready, except its embedding model: {error.message}")
        words = "ready" if not price.is_free else "local model, free" if options.api_base is not None else "free"
        return ProviderStatus(name, options.model, "ready", words, free=price.is_free)

    def _provider(self, name: str, options: Options, price: Price, wire: Wire) -> ChainProvider:
        traits, profile = traits_of(self._prices, options), profile_of(options.kind)
        return ChainProvider(
            name,
            profile,
            options.model,
            price,
            wire,
            traits.context_tokens,
            profile.prefill and takes_prefill(options.model) if options.prefill is None else options.prefill,
            media=traits.media,
            reasoning=traits.reasoning,
            reasoning_apart=traits.reasoning_apart,
            streams=profile.streams and options.streams,
            connections=options.connections,
        )

    def _add_embedding_model(self, name: str, options: Options, model: str, wire: Wire) -> None:
        overruled = options.embedding_usd_per_mtok
        price = Price(from_usd(overruled)) if overruled is not None else self._prices.price_of(model)
        self.embedding.setdefault(model, ChainProvider(name, profile_of(options.kind), model, price, wire))

    def _wire(self, options: Options, key: str | None) -> Wire:
        connect, connections = self._options.timeouts.connect, options.connections
        dialect = profile_of(options.kind).dialect
        wire = _litellm_wire() if dialect is None else _WIRES[dialect]
        return wire(kind=options.kind, api_base=options.api_base, api_key=key, connect_seconds=connect, connections=connections)

    def _raise_if_unpriced(self, model: str) -> None:
        """Raise NotFound with the reason if the model is configured but has no price."""
        for each in self.statuses:
            if model in {each.model, each.name, f"{each.name}/{each.model}"} and each.readiness == "no_price":
                raise NotFound(each.detail, code="model_without_price", param="model")


def _litellm_wire() -> Callable[..., Wire]:
    from app.inference.wires.through_litellm import LitellmWire

    return LitellmWire


def _unknown_model(model: str, names: Sequence[str]) -> NotFound:
    known = (
        f"There are: {', '.join(names)}." if names else "No model can be used, because no provider has an API key: ask an admin to set one."
    )
    return NotFound(f"There is no model {model!r} here. {known}", code="model_not_found", param="model")
