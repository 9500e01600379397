"""Loads the model on the CPU, for OpenVINO or ONNX Runtime, in a precision in which a text's vector doesn't depend on its batch.

The choice of runtime: docs/decisions/0002-embedding-runtime.md.
"""

from __future__ import annotations

import functools
import os
import platform
import queue
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import structlog

from app.embeddings.compiled import release_pages, verified_cache
from app.embeddings.embedder import Floats
from app.embeddings.model import NAME, Model
from app.embeddings.runtime import Ints, Run, RuntimeEmbedder, RunTokens
from app.embeddings.tokenizer import Tokenizer
from app.settings import EmbeddingsSettings as Options

if TYPE_CHECKING:
    import openvino

log = structlog.get_logger()

Lane = Literal["questions", "slices", "batches"]
"""The kind of work that a model is compiled for.

`questions`, of a server: simultaneous ones share one thread, a single one takes all threads. `slices`, of the bulk process: each run takes
all threads. `batches`, of a worker: one run per thread, which embeds a fifth more texts a second beside the worker's other tasks.
"""
MAX_THREADS = 4
MAX_PADDED_OF_MANY = 1024
"""Padded tokens of a batch, except for questions: four long texts. Larger batches are hardly faster and take more memory."""
SHARED_TEXTS, SHARED_TOKENS = 32, 64
"""Shape (texts, tokens of the longest) up to which a run counts as several questions: it then takes one thread and leaves other cores free.

Per question, one thread takes 1.75 ms of CPU; four take 3.2 ms (0.9 ms of wall time instead of 1.7). The windows of a long text are longer,
and take all threads.
"""
KERNELS_OF_QUESTIONS, KERNELS_OF_BATCHES = 300, 50
"""Kernels that OpenVINO caches; it compiles one per batch shape. Over 2,000 batches, 5,000 took 100 MB more than 50 and were no faster;
without any, the batches took 10 % longer.
"""
ONE_TOKEN = np.ones((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.int64)
"""Ids and mask of the warm-up run that each OpenVINO request makes while loading: where the first runs of two threads overlapped, OpenVINO
deadlocked holding the GIL (3 of about 40 fresh processes froze).
"""


def load(model: Model, options: Options, cache: Path, *, lane: Lane = "questions") -> RuntimeEmbedder:
    """Load the model. Blocks for up to a second."""
    runtime, precision = choose(options)
    threads = options.threads or min(MAX_THREADS, os.cpu_count() or 1)
    at_once = _runs_at_once(threads, lane)
    run: Run
    run_tokens: RunTokens
    if runtime == "openvino":
        compiled = _OpenVino(model, precision, threads, cache, lane=lane)
        run, run_tokens = compiled.run, compiled.run_tokens
    else:
        run, run_tokens = _onnxruntime(model, threads // at_once)
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
    """Choose runtime and precision. `auto`: OpenVINO in bf16 if the CPU multiplies bf16, else ONNX Runtime in fp32."""
    fast = _multiplies_bf16()
    precision: Literal["fp32", "bf16"] = "bf16" if fast else "fp32"
    if options.precision != "auto":
        precision = options.precision
    runtime: Literal["openvino", "onnxruntime"] = "openvino" if precision == "bf16" else "onnxruntime"
    if options.runtime != "auto":
        runtime = options.runtime
    return runtime, precision if runtime == "openvino" else "fp32"


def are_questions(texts: int, tokens: int) -> bool:
    """Tell whether a run of this shape holds several questions, which then take one thread."""
    return 1 < texts <= SHARED_TEXTS and tokens <= SHARED_TOKENS


def _multiplies_bf16() -> bool:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    flags = Path("/proc/cpuinfo").read_text()
    return "avx512_bf16" in flags or "amx_bf16" in flags


class _OpenVino:
    """The model, compiled by OpenVINO for all threads, and on first use once more for one thread."""

    def __init__(self, model: Model, precision: str, threads: int, cache: Path, *, lane: Lane) -> None:
        import openvino

        self._core = openvino.Core()
        self._graph = model.graph
        self._precision = precision
        self._threads = threads
        self._cache = cache
        self._lane = lane
        self._free_requests = functools.cache(self._compile)  # by number of threads; each takes 110 MB
        self._free_requests(threads)

    def run(self, ids: Ints, mask: Ints) -> Floats:
        return self._outputs(ids, mask, 1)[0]

    def run_tokens(self, ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
        vectors, tokens = self._outputs(ids, mask, 2)
        return vectors, tokens

    def _outputs(self, ids: Ints, mask: Ints, count: int) -> list[Floats]:
        free = self._free_requests(1 if self._lane == "questions" and are_questions(*ids.shape) else self._threads)
        request = free.get()
        try:
            return _infer(request, ids, mask, count)
        finally:
            free.put(request)

    def _compile(self, threads: int) -> queue.SimpleQueue[openvino.InferRequest]:
        """Compile the model for this many threads; return its inference requests, each of which has run once."""
        at_once = _runs_at_once(self._threads, self._lane)
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if self._precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": str(threads),
            "NUM_STREAMS": str(at_once),
            "CPU_RUNTIME_CACHE_CAPACITY": str(KERNELS_OF_QUESTIONS if self._lane == "questions" else KERNELS_OF_BATCHES),
        }
        with verified_cache(self._cache) as folder:
            kept = {} if folder is None else {"CACHE_DIR": str(folder)}
            # The graph's path is part of the cache's key: unresolved, each link to the same folder would add 90 MB.
            compiled = self._core.compile_model(str(self._graph.resolve()), "CPU", settings | kept)
        free: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for _ in range(at_once):
            request = compiled.create_infer_request()
            _infer(request, *ONE_TOKEN, 2)
            free.put(request)
        release_pages(self._cache)
        return free


def _infer(request: openvino.InferRequest, ids: Ints, mask: Ints, count: int) -> list[Floats]:
    """Run, and return the first `count` outputs, copied: the next run overwrites them."""
    request.infer({"ids": ids, "mask": mask})
    return [np.array(request.get_output_tensor(place).data, dtype=np.float32) for place in range(count)]


def _runs_at_once(threads: int, lane: Lane) -> int:
    return threads if lane == "batches" else 1


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
