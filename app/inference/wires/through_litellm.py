"""Client for every provider that doesn't speak OpenAI's format: litellm translates; connections and error handling are ours.

litellm's stream wrapper is bypassed, for it invents what is missing: a finish for a stream that broke off, a usage that nobody sent.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx
import msgspec

from app.errors import ConfigurationError
from app.inference import answers, provider_errors
from app.inference.answers import Chunk, Completion
from app.inference.profiles import profile_of
from app.inference.provider_errors import ProviderError, malformed
from app.inference.surrogates import mend
from app.inference.usage import parse_usage
from app.inference.wires import library, shape, unstreamed
from app.inference.wires.compatible import embedded
from app.inference.wires.exchange import LitellmTransport
from app.inference.wires.pool import Pool
from app.inference.wires.split_characters import SplitCharacters
from app.inference.wires.wire import EmbeddingResult, ProviderCall

PARAMETERS = frozenset({
    "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "seed",
    "logit_bias", "logprobs", "top_logprobs", "user", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
    "response_format", "reasoning_effort", "verbosity",
})  # fmt: skip
"""Allowlist of a call's parameters: as arguments of litellm, `api_base` or `mock_response` would have an effect too."""


class LitellmWire:
    """Speaks to one provider through litellm.

    Raises ConfigurationError for a kind that litellm doesn't know; loads litellm to find out.
    """

    def __init__(self, *, kind: str, api_base: str | None, api_key: str | None, connect_seconds: float, connections: int) -> None:
        if (instead := profile_of(kind).replaced_by) is not None:
            raise ConfigurationError(f"A section [providers.…] has kind {kind!r}, which Cairn doesn't support: write {instead}.")
        if kind not in library.providers():
            raise ConfigurationError(
                f"A section [providers.…] has kind {kind!r}, which litellm doesn't know. For an OpenAI-compatible"
                " server, write 'openai' or 'local'."
            )
        self._kind = kind
        self._base = api_base.rstrip("/") if api_base else None
        self._key = api_key
        self._pool = Pool(headers={}, key=api_key, connect_seconds=connect_seconds, connections=connections)
        self._not_taken = library.not_taken(kind, PARAMETERS)
        self._litellm: Any = None
        self._through_us = False

    async def complete(self, call: ProviderCall) -> Completion:
        return await self._completed(call, LitellmTransport(self._pool, stream=False, max_bytes=call.max_bytes))

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Chunk]:
        exchange = LitellmTransport(self._pool, stream=True, max_bytes=call.max_bytes)
        head: dict[str, Any] = {}
        usage: dict[str, Any] = {}
        finish: str | None = None
        roles, split = set[int](), SplitCharacters()
        thoughts: dict[int, list[str]] = {}
        try:
            async with aclosing(self._items(call, exchange)) as items:
                async for item in items:
                    shape.add(usage, item.get("usage"))
                    head = head or {
                        "id": item.get("id"),
                        "object": "chat.completion.chunk",
                        "created": item.get("created"),
                        "model": exchange.model or call.model,
                    }
                    if choices := shape.choices(item, roles):
                        shape.unrepeat(choices, thoughts)
                        data = {**head, "choices": choices}
                        split.join(data)
                        made = shape.chunk(data)
                        finish = made.finish or finish
                        yield made
            answers.check_end(finish)
        except Exception as error:
            fault = self._fault(error, exchange)
            if exchange.whole is None and (finish is None or fault.kind != "cut"):
                raise fault from error
        finally:
            self._ended(exchange)
        if exchange.whole is not None:
            found = await self._completed(call, LitellmTransport(self._pool, stream=False, answer=exchange.whole))
            for made in unstreamed.chunks(answers.decoded(found.raw)):
                finish = made.finish or finish
                yield made
            answers.check_end(finish)
        if parse_usage(usage) is not None:
            yield shape.chunk({**head, "choices": [], "usage": usage})

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        exchange = LitellmTransport(self._pool, stream=False)
        try:
            more = {name: parameters[name] for name in ("dimensions", "user") if name in parameters}
            more["allowed_openai_params"] = list(more)  # otherwise litellm silently drops what it doesn't know of a model
            litellm = await self._loaded()
            made = await _cancellable(litellm.aembedding(input=list(texts), **more, **self._arguments(model, exchange)), exchange)
            return embedded(made.model_dump(), len(texts))
        except Exception as error:
            raise self._fault(error, exchange) from error
        finally:
            self._ended(exchange)

    def supports(self, parameter: str) -> bool:
        return parameter in PARAMETERS and parameter not in self._not_taken

    async def close(self) -> None:
        await self._pool.close()

    async def _call(self, call: ProviderCall, exchange: LitellmTransport, **more: Any) -> Any:
        """Call litellm with copies: it modifies its arguments, and the next provider gets the same messages."""
        litellm = await self._loaded()
        given = {name: value for name, value in call.parameters.items() if name in PARAMETERS}
        messages, given = copy.deepcopy((list(call.messages), given))
        return await _cancellable(
            litellm.acompletion(messages=messages, **given, **more, **self._arguments(call.model, exchange)), exchange
        )

    async def _completed(self, call: ProviderCall, exchange: LitellmTransport) -> Completion:
        try:
            data = shape.completion(await self._call(call, exchange)) | {"model": exchange.model or call.model}
            if exchange.unfinished:
                data["choices"][0]["finish_reason"] = None
            data = mend(data)
            return answers.completion(data, msgspec.json.encode(data))
        except Exception as error:
            raise self._fault(error, exchange) from error
        finally:
            self._ended(exchange)

    async def _items(self, call: ProviderCall, exchange: LitellmTransport) -> AsyncGenerator[dict[str, Any]]:
        """Yield what litellm read from the provider, piece by piece."""
        wrapper = await self._call(call, exchange, stream=True, stream_options={"include_usage": True})
        async for read in wrapper.completion_stream or await wrapper.fetch_stream():
            if read is None or (isinstance(read, dict) and not any(read.values())):
                continue  # from an empty line
            made = read if hasattr(read, "choices") else wrapper.chunk_creator(read)  # litellm's older format
            if made is None:
                continue
            item = made.model_dump(exclude_none=True)
            if exchange.unfinished:
                shape.unfinish(item["choices"])
            yield item

    def _arguments(self, model: str, exchange: LitellmTransport) -> dict[str, Any]:
        model, key = model.removeprefix(f"{self._kind}/"), self._key or ("none" if self._base else None)
        return {
            "model": f"{self._kind}/{model}",
            "api_base": self._base,
            "api_key": key,
            "client": library.client(exchange, kind=self._kind, model=model, api_base=self._base, api_key=key),
            "timeout": library.NO_LIMIT_SECONDS,
            "max_retries": 0,
            "num_retries": 0,
        }

    async def _loaded(self) -> Any:
        if self._litellm is None:
            self._litellm = await asyncio.to_thread(library.load)
        return self._litellm

    def _fault(self, error: Exception, exchange: LitellmTransport) -> ProviderError:
        """Return the fault that the exchange saw; else litellm couldn't read the answer, or rejected the request."""
        if exchange.fault is not None:
            fault = exchange.fault
        elif isinstance(error, ProviderError):
            fault = error
        elif exchange.sent:
            fault = malformed(f"its answer can't be read ({type(error).__name__})")
        else:
            fault = _unsent(error, past_us=not self._through_us)
        return self._pool.clean(fault)

    def _ended(self, exchange: LitellmTransport) -> None:
        self._through_us = self._through_us or exchange.sent
        exchange.hang_up()


async def _cancellable(asking: Coroutine[Any, Any, Any], exchange: LitellmTransport) -> Any:
    """Await litellm's call. It prepares requests in a thread, which can't be cancelled: then the transport refuses to send."""
    task = asyncio.ensure_future(asking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        if exchange.sent:
            task.cancel()
        else:
            exchange.fault = provider_errors.unreachable("the request was cancelled before it was sent")
        raise


def _unsent(error: Exception, *, past_us: bool) -> ProviderError:
    """Classify an error without traffic on our client: litellm rejected the request, or used a client of its own (`past_us`)."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return provider_errors.unreachable("no connection")
            case httpx.TimeoutException():
                return provider_errors.timeout("no answer in time")
            case httpx.TransportError():
                return provider_errors.reset("the connection broke")
            case httpx.HTTPStatusError():
                return provider_errors.of_status(cause.response.status_code, cause.response.content, cause.response.headers)
        cause = cause.__cause__ or cause.__context__
    said = re.sub(r"^(litellm\.\w+: )+", "", next(iter(str(error).splitlines()), ""))[: provider_errors.MAX_MESSAGE_CHARS]  # no stack trace
    status, headers = getattr(error, "status_code", None), getattr(error, "litellm_response_headers", None) or {}
    if isinstance(status, int) and (past_us or status in {401, 403, 404}):
        fault = provider_errors.of_status(status, msgspec.json.encode({"error": {"message": said}}), headers)
        fault.unknown = past_us and status >= 500
        return fault
    return ProviderError(
        "caller",
        said or "This request can't be translated to this provider's API. Leave out unusual fields, or use another model.",
        400,
    )
