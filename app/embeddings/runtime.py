"""The model on a runtime: OpenVINO or ONNX Runtime, in a precision that doesn't let a text's vector depend on its batch.

Which one, and why: docs/decisions/0002-embedding-runtime.md.
"""

from __future__ import annotations

import asyncio
import functools
import os
import platform
import queue
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Literal, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from tokenizers import Encoding

from app.embeddings.compiled import checked
from app.embeddings.embedder import Encoded, Floats, Packed
from app.embeddings.late import CODE
from app.embeddings.late_interaction import pack
from app.embeddings.model import NAME, Model
from app.embeddings.tokens import CHARS_A_TOKEN, Tokenizer, batches, padded, read_chars
from app.errors import Unavailable
from app.settings import Embeddings as Options
from app.telemetry import metrics

log = structlog.get_logger()

Ints = NDArray[np.int64]
Run = Callable[[Ints, Ints], Floats]
RunTokens = Callable[[Ints, Ints], tuple[Floats, Floats]]
"""ids, mask → pooled vectors (batch × 384), and the tokens' own before the mean (batch × tokens × 384), of one run."""
Lane = Literal["questions", "slices", "batches"]
"""The work that a model is compiled for. `questions`: those that came at once share one thread, one alone takes all. `slices`: every run
takes all threads. `batches`: each thread makes a run of its own; beside the process's other work a fifth more texts a second."""
MAX_THREADS = 4
MAX_PADDED_OF_MANY = 1024
"""Of a batch among many at most, in tokens: four long texts. More are hardly faster, and take more memory."""
SHARED_TEXTS, SHARED_TOKENS = 32, 64
"""Texts, and tokens of the longest: questions that share a run came at once, and others need the cores. One thread takes 1.75 ms of
processor a question, four take 3.2 (and 0.9 ms instead of 1.7). The windows of a long text are none."""
SLICE = 256
"""Texts that are sorted by length together."""
SLICE_WITH_TOKENS = 512
"""Passages are of more different lengths: of 32, 64, 256, 512 sorted together 1.40, 1.27, 1.10, 1.07 tokens are run for one."""
MAX_PADDED_WITH_TOKENS = 16_384
"""Of a run that gives token vectors: 25 MB of them. Only a GPU's batches are larger."""
KERNELS_OF_QUESTIONS, KERNELS_OF_BATCHES = 300, 50
"""Compiled for one shape of a batch, and kept for the next of its shape. Of 2,000 batches' shapes 5,000 took 100 MB more than 50, which
took no longer; none at all takes 10 % longer."""
ONE_TOKEN = np.ones((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.int64)
"""The ids and mask that each request of OpenVINO runs once while the model is loaded. Two threads whose first runs met deadlocked, and
Python's lock with them: 3 of about 40 fresh processes froze."""

T = TypeVar("T")


class RuntimeEmbedder:
    """The innermost embedder: every text is really run. `at_once` runs at a time; the runtime uses the threads.

    A run is one batch of `padded_tokens`: whoever comes meanwhile is next, however many texts the other one has left.
    """

    model = NAME

    def __init__(
        self,
        tokenizer: Tokenizer,
        run: Run,
        run_tokens: RunTokens,
        *,
        padded_tokens: int,
        timeout_seconds: float,
        texts_a_run: int = SLICE,
        at_once: int = 1,
    ) -> None:
        self._tokenizer = tokenizer
        self._run = run
        self._run_tokens = run_tokens
        self._padded_tokens = padded_tokens
        self._padded_with_tokens = min(padded_tokens, MAX_PADDED_WITH_TOKENS)
        self._timeout = timeout_seconds
        self._texts_a_run = texts_a_run
        self._at_once = at_once
        self._turn = asyncio.Semaphore(at_once)

    async def embed(self, texts: Sequence[str]) -> Floats:
        """(n, 384), unit length, in the order of the texts. Unavailable when one run takes longer than the timeout, its turn included."""
        if self._is_one_run(texts):
            return await self._timed(lambda: self.embed_blocking(texts), len(texts))
        vectors = np.empty((len(texts), 384), dtype=np.float32)
        batches = self._batch_after_batch(texts, lambda taken: self._run(*padded(taken)), self._texts_a_run, self._padded_tokens)
        async for places, made in batches:
            vectors[places] = made
        return vectors

    def embed_blocking(self, texts: Sequence[str]) -> Floats:
        """The same in the calling thread, without a turn and without a timeout: for a process that does nothing else."""
        return self._embed(list(texts))

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """The texts' vectors and those of their tokens, by the same runs, in the order of the texts. Unavailable as `embed`."""
        if self._is_one_run(texts):
            return await self._timed(lambda: self.embed_tokens_blocking(texts), len(texts))
        return await self._with_tokens(texts, _encoded)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """The same with the token vectors packed, in the thread of each run. Unavailable as `embed`."""
        return await self._with_tokens(texts, _packed)

    def embed_tokens_blocking(self, texts: Sequence[str]) -> list[Encoded]:
        """The same as `embed_tokens` in the calling thread, without a turn and without a timeout."""
        encodings = self._tokenizer.encode(list(texts))
        made: dict[int, Encoded] = {}
        for places in _batches(encodings, self._padded_with_tokens):
            made.update(zip(places, self._run_with_tokens([encodings[place] for place in places], _encoded), strict=True))
        return [made[place] for place in range(len(texts))]

    async def _with_tokens(self, texts: Sequence[str], make: Callable[[Encoding, Floats, Floats], T]) -> list[T]:
        made: dict[int, T] = {}
        run = partial(self._run_with_tokens, make=make)
        async for places, batch in self._batch_after_batch(texts, run, max(self._texts_a_run, SLICE_WITH_TOKENS), self._padded_with_tokens):
            made.update(zip(places, batch, strict=True))
        return [made[place] for place in range(len(texts))]

    def _run_with_tokens(self, encodings: Sequence[Encoding], make: Callable[[Encoding, Floats, Floats], T]) -> list[T]:
        """Run a batch; `make` takes each text's encoding, vector and token states."""
        vectors, states = self._run_tokens(*padded(encodings))
        return [make(*each) for each in zip(encodings, vectors, states, strict=True)]

    def _is_one_run(self, texts: Sequence[str]) -> bool:
        """Tell whether a request is small enough for one run, tokenizer included: whoever comes next waits for no second one."""
        return len(texts) <= SHARED_TEXTS and (len(texts) <= 1 or read_chars(texts) <= CHARS_A_TOKEN * self._padded_tokens)

    async def _batch_after_batch(
        self, texts: Sequence[str], run: Callable[[list[Encoding]], T], sorted_texts: int, padded_tokens: int
    ) -> AsyncIterator[tuple[list[int], T]]:
        """Places of texts of about one length among `sorted_texts`, and what `run` made of them: each batch is a turn of its own."""
        under_way: deque[tuple[list[int], asyncio.Task[T]]] = deque()
        try:
            for start in range(0, len(texts), sorted_texts):
                encodings = await asyncio.to_thread(self._tokenizer.encode, texts[start : start + sorted_texts])
                for places in _batches(encodings, padded_tokens):
                    taken = [encodings[place] for place in places]
                    batch = asyncio.create_task(self._timed(partial(run, taken), len(taken)), name="embed a batch")
                    under_way.append(([start + place for place in places], batch))
                    if len(under_way) == self._at_once:
                        yield await _first(under_way)
            while under_way:
                yield await _first(under_way)
        finally:
            for _, batch in under_way:
                batch.cancel()
            if under_way:
                await asyncio.wait([batch for _, batch in under_way])

    async def _timed(self, work: Callable[[], T], texts: int) -> T:
        run = asyncio.create_task(self._in_turn(work, texts), name="embed")
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(run)
        except TimeoutError:
            raise Unavailable(f"Embedding took longer than {self._timeout:g} s: try again.", code=CODE) from None
        finally:
            run.cancel()

    async def _in_turn(self, work: Callable[[], T], texts: int) -> T:
        """The turn ends with the thread, not with whoever waited for it: the runtime takes one run at a time."""
        async with self._turn:
            # The tokenizer and both runtimes release the GIL: the loop goes on.
            thread, began = asyncio.ensure_future(asyncio.to_thread(work)), perf_counter()
            try:
                made = await asyncio.shield(thread)
            except asyncio.CancelledError:
                await asyncio.wait([thread])
                raise
            metrics.embedded(texts=texts, seconds=perf_counter() - began)
            return made

    def _embed(self, texts: list[str]) -> Floats:
        encodings = self._tokenizer.encode(texts)
        vectors = np.empty((len(texts), 384), dtype=np.float32)
        for places in _batches(encodings, self._padded_tokens):
            vectors[places] = self._run(*padded([encodings[place] for place in places]))
        return vectors


async def _first(under_way: deque[tuple[list[int], asyncio.Task[T]]]) -> tuple[list[int], T]:
    """Wait for the batch that began first. It is left where it was while it isn't done: who is cancelled meanwhile ends it too."""
    places, batch = under_way[0]
    made = await asyncio.shield(batch)
    under_way.popleft()
    return places, made


def _batches(encodings: Sequence[Encoding], padded_tokens: int) -> list[list[int]]:
    return batches([len(encoding.ids) for encoding in encodings], padded_tokens=padded_tokens)


def _encoded(encoding: Encoding, vector: Floats, states: Floats) -> Encoded:
    """A text's share of a run, in arrays of its own: without padding, and without the marks before and after it."""
    inner = slice(1, len(encoding.ids) - 1)
    lengths = np.maximum(np.linalg.norm(states[inner], axis=1, keepdims=True), 1e-9)
    return Encoded(vector.copy(), tuple(encoding.tokens[inner]), tuple(encoding.offsets[inner]), states[inner] / lengths)


def _packed(encoding: Encoding, vector: Floats, states: Floats) -> Packed:
    encoded = _encoded(encoding, vector, states)
    return Packed(encoded.vector, pack(encoded.pieces, encoded.tokens))


def load(model: Model, options: Options, cache: Path, *, lane: Lane = "questions") -> RuntimeEmbedder:
    """Load the model. Blocking: a second or less."""
    runtime, precision = choose(options)
    threads = options.threads or min(MAX_THREADS, os.cpu_count() or 1)
    at_once = threads if lane == "batches" else 1
    run, run_tokens = (
        _openvino(model, precision, threads, cache, lane=lane) if runtime == "openvino" else _onnxruntime(model, threads // at_once)
    )
    log.info("embeddings.loaded", model=NAME, runtime=runtime, precision=precision, threads=threads, at_once=at_once)
    return RuntimeEmbedder(
        Tokenizer(model.tokenizer),
        run,
        run_tokens,
        padded_tokens=options.batch_padded_tokens if lane == "questions" else min(options.batch_padded_tokens, MAX_PADDED_OF_MANY),
        timeout_seconds=options.timeout_seconds,
        at_once=at_once,
    )


def choose(options: Options) -> tuple[Literal["openvino", "onnxruntime"], Literal["fp32", "bf16"]]:
    """`auto`: OpenVINO in bf16 where the processor multiplies bf16, else ONNX Runtime in fp32."""
    fast = _multiplies_bf16()
    precision: Literal["fp32", "bf16"] = "bf16" if fast else "fp32"
    if options.precision != "auto":
        precision = options.precision
    runtime: Literal["openvino", "onnxruntime"] = "openvino" if precision == "bf16" else "onnxruntime"
    if options.runtime != "auto":
        runtime = options.runtime
    return runtime, precision if runtime == "openvino" else "fp32"


def are_questions(texts: int, tokens: int) -> bool:
    """Whether a run of this shape is one of several questions: it goes by one thread."""
    return 1 < texts <= SHARED_TEXTS and tokens <= SHARED_TOKENS


def _multiplies_bf16() -> bool:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    flags = Path("/proc/cpuinfo").read_text()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _openvino(model: Model, precision: str, threads: int, cache: Path, *, lane: Lane) -> tuple[Run, RunTokens]:
    import openvino

    core = openvino.Core()
    at_once = threads if lane == "batches" else 1

    @functools.cache  # the second is compiled when it is first needed: 200 MB, of which 90 are the kept one's file
    def requests_of(count: int) -> queue.SimpleQueue[openvino.InferRequest]:
        """Those that no run uses now, of a model compiled for so many threads."""
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": str(count),
            "NUM_STREAMS": str(at_once),
            "CPU_RUNTIME_CACHE_CAPACITY": str(KERNELS_OF_QUESTIONS if lane == "questions" else KERNELS_OF_BATCHES),
        }
        with checked(cache) as folder:
            kept = {} if folder is None else {"CACHE_DIR": str(folder)}
            # The graph's path is part of the cache's key: links to one folder would fill it, 90 MB each.
            compiled = core.compile_model(str(model.graph.resolve()), "CPU", settings | kept)
        free: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for _ in range(at_once):
            request = compiled.create_infer_request()
            infer(request, *ONE_TOKEN, 2)
            free.put(request)
        return free

    def infer(request: openvino.InferRequest, ids: Ints, mask: Ints, count: int) -> list[Floats]:
        """The first so many outputs, copied: the next run overwrites them."""
        request.infer({"ids": ids, "mask": mask})
        return [np.array(request.get_output_tensor(place).data, dtype=np.float32) for place in range(count)]

    requests_of(threads)

    def outputs(ids: Ints, mask: Ints, count: int) -> list[Floats]:
        free = requests_of(1 if lane == "questions" and are_questions(*ids.shape) else threads)
        request = free.get()
        try:
            return infer(request, ids, mask, count)
        finally:
            free.put(request)

    def run(ids: Ints, mask: Ints) -> Floats:
        return outputs(ids, mask, 1)[0]

    def run_tokens(ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
        vectors, tokens = outputs(ids, mask, 2)
        return vectors, tokens

    return run, run_tokens


def _onnxruntime(model: Model, threads: int) -> tuple[Run, RunTokens]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(str(model.graph), options, providers=["CPUExecutionProvider"])

    def run(ids: Ints, mask: Ints) -> Floats:
        (vectors,) = session.run(["vectors"], {"ids": ids, "mask": mask})
        return np.asarray(vectors, dtype=np.float32)

    def run_tokens(ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
        vectors, tokens = session.run(["vectors", "tokens"], {"ids": ids, "mask": mask})
        return np.asarray(vectors, dtype=np.float32), np.asarray(tokens, dtype=np.float32)

    return run, run_tokens
