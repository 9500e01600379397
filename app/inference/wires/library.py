"""Load and configure litellm once: 2 s of CPU and 180 MB, so lazily and off the event loop. The only module that imports it."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
from collections.abc import Collection
from functools import cache
from typing import Any

import httpx

from app.inference.wires.exchange import LitellmTransport

ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it downloads its price list
    "LITELLM_MODE": "PRODUCTION",  # no .env file from the working directory
    "LITELLM_LOG": "ERROR",
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",  # never fetch a URL that a caller names (SSRF)
}
CALLBACKS = (
    "callbacks", "input_callback", "success_callback", "failure_callback", "service_callback",
    "_async_input_callback", "_async_success_callback", "_async_failure_callback",
)  # fmt: skip
DOWNLOADERS = ("litellm.litellm_core_utils.prompt_templates.image_handling", "litellm.litellm_core_utils.token_counter")
"""litellm's modules that would fetch a URL of a message. They read `MAX_IMAGE_URL_DOWNLOAD_SIZE_MB` when they are imported."""
LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
NO_LIMIT_SECONDS = 3600.0
"""Effectively none: the engine's own timeouts are shorter, and cancel."""
_loading = threading.Lock()


def _nothing(*_: object, **__: object) -> None:
    return None


async def _nothing_later(*_: object, **__: object) -> None:
    return None


STUBBED_METHODS = {
    "_response_cost_calculator": _nothing,
    "failure_handler": _nothing,
    "async_success_handler": _nothing_later,
    "async_failure_handler": _nothing_later,
}
"""litellm's bookkeeping for callbacks that we don't use, a third of a call's CPU: stubbed out. A test checks the names."""


async def prepare() -> None:
    """Load litellm in a thread, so that the first call needn't wait."""
    await asyncio.to_thread(load)


def load() -> Any:
    with _loading:
        return _library()


@cache
def _library() -> Any:
    os.environ.update(ENVIRONMENT)
    litellm = importlib.import_module("litellm")
    for name, value in {
        "telemetry": False,
        "suppress_debug_info": True,
        "set_verbose": False,
        "drop_params": True,
        "modify_params": False,
        "disable_hf_tokenizer_download": True,
        "num_retries": 0,
        "model_fallbacks": None,
        "cache": None,
    }.items():
        setattr(litellm, name, value)
    importlib.import_module("litellm.llms.vertex_ai.context_caching.vertex_ai_context_caching")  # it sets callbacks
    for name in CALLBACKS:
        getattr(litellm, name).clear()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.CRITICAL)
    for name in DOWNLOADERS:
        downloader: Any = importlib.import_module(name)
        downloader.MAX_IMAGE_URL_DOWNLOAD_SIZE_MB = 0  # also where litellm was imported before us
    logging_class = importlib.import_module("litellm.litellm_core_utils.litellm_logging").Logging
    for name, instead in STUBBED_METHODS.items():
        setattr(logging_class, name, instead)
    return litellm


def providers() -> frozenset[str]:
    """Return the provider kinds that litellm supports."""
    return frozenset(str(getattr(each, "value", each)) for each in load().provider_list)


def not_taken(kind: str, parameters: Collection[str]) -> frozenset[str]:
    """Return the OpenAI parameters that litellm would drop for a provider kind, whatever the model."""
    taken = load().get_supported_openai_params(model="", custom_llm_provider=kind)
    return frozenset(parameters) - frozenset(parameters if taken is None else taken)


def client(exchange: LitellmTransport, *, kind: str, model: str, api_base: str | None, api_key: str | None) -> Any:
    """Return a client for one call. litellm expects its own handler or OpenAI's SDK, by provider, so this is both."""
    return _client_class()(exchange, kind=kind, model=model, api_base=api_base, api_key=api_key)


@cache
def _client_class() -> Any:
    litellm = load()
    handler = importlib.import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
    sdk = importlib.import_module("openai").AsyncOpenAI

    class LitellmClient(handler):  # type: ignore[misc,valid-type]
        """litellm's handler, over our transport; what only OpenAI's SDK has (`chat`, `embeddings`) is delegated to one."""

        def __init__(self, exchange: LitellmTransport, *, kind: str, model: str, api_base: str | None, api_key: str | None) -> None:
            self.client = httpx.AsyncClient(transport=exchange, trust_env=False, timeout=NO_LIMIT_SECONDS)
            self.timeout = NO_LIMIT_SECONDS
            self._options = (kind, model, api_base, api_key)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__") or name == "_options":
                raise AttributeError(name)
            kind, model, api_base, api_key = self._options
            _, _, key, base = litellm.get_llm_provider(model, custom_llm_provider=kind, api_base=api_base, api_key=api_key)
            self.__dict__["_sdk"] = found = self.__dict__.get("_sdk") or sdk(
                api_key=key or api_key or "none", base_url=base or api_base, http_client=self.client, max_retries=0
            )
            return getattr(found, name)

        def __del__(self) -> None:
            """Close nothing: the connections are the pool's."""

    return LitellmClient
