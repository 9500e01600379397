"""Runs the model on an NVIDIA GPU, with sentence-transformers on torch, which is imported only after a GPU has been found."""

from __future__ import annotations

import ctypes
import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import structlog

from app.embeddings.embedder import Floats
from app.embeddings.model import NAME, Model, check_weights, weights_folder
from app.embeddings.runtime import Ints, RuntimeEmbedder
from app.embeddings.tokenizer import Tokenizer
from app.errors import ConfigurationError
from app.settings import EmbeddingsSettings as Options

if TYPE_CHECKING:
    import torch

log = structlog.get_logger()

SORTED_TEXTS = 8192
"""Texts that are sorted by length together: enough for little padding, few enough to be embedded within seconds."""
BYTES_A_TOKEN = 65_536
"""GPU memory per padded token during a run, an upper bound."""
MEMORY_SHARE = 0.5
"""Share of the free GPU memory that a run may take: other processes use it too."""
MAX_PADDED_TOKENS = 131_072
"""Larger batches are no faster: the GPU is saturated."""


def use_gpu(options: Options, *, batches: bool) -> bool:
    """Tell whether to embed on the GPU. Raises ConfigurationError if the settings require one that can't be used.

    `auto`: if there is one and the process embeds batches. A single question is faster on the CPU, without torch's six seconds and 500 MB.
    """
    if options.device == "cpu" or (options.device == "auto" and not batches):
        return False
    problem = _problem()
    if problem and options.device == "cuda":
        raise ConfigurationError(f"CAIRN_EMBEDDINGS__DEVICE is cuda, but {problem} Or set it to auto.")
    if problem and devices():
        log.warning("embeddings.gpu_unused", reason=problem)
    return not problem


def devices() -> int:
    """Return the number of GPUs that NVIDIA's driver reports, without torch."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int(0)
        return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0
    except (OSError, AttributeError):
        return 0


def load(model: Model, options: Options, *, device: str = "cuda", weights: Path | None = None) -> RuntimeEmbedder:
    """Load the model: 6 seconds or more, mostly for torch. `weights`: another folder with the same weights, for measurements."""
    half = device != "cpu" and options.precision != "fp32"
    loaded = _TorchModel(device, weights or _checked_weights(), half=half)
    padded = options.batch_padded_tokens if device == "cpu" else _padded_tokens()
    log.info("embeddings.loaded", model=NAME, runtime="torch", device=device, precision="fp16" if half else "fp32", padded_tokens=padded)
    return RuntimeEmbedder(
        Tokenizer(model.tokenizer),
        loaded.run,
        loaded.run_tokens,
        padded_tokens=padded,
        timeout_seconds=options.timeout_seconds,
        sorted_texts=SORTED_TEXTS,
    )


def _problem() -> str:
    """Return why the GPU can't be used and what to do, in sentences; empty if it can be used."""
    if not devices():
        return "NVIDIA's driver reports no GPU. Install the driver, or pass the GPU into the container."
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sentence_transformers") is None:
        return "torch is not installed: install Cairn with its extra `server` (docs/how-to/install.md)."
    import torch

    if not torch.cuda.is_available():
        return f"torch {torch.__version__} can't use the GPU. Install its CUDA build into this environment."
    return ""


def _checked_weights() -> Path:
    """Return the folder of the installed weights, verified."""
    folder = weights_folder()
    check_weights(folder)
    return folder


def _padded_tokens() -> int:
    """Return the padded tokens of a batch that fit the GPU's free memory."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return max(2048, min(MAX_PADDED_TOKENS, int(free * MEMORY_SHARE / BYTES_A_TOKEN)))


class _TorchModel:
    """The model on a device of torch: the transformer in fp16 if `half` (closer to fp32 than bf16 is), the pooling in fp32."""

    def __init__(self, device: str, weights: Path, *, half: bool) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from sentence_transformers import SentenceTransformer

            loaded = SentenceTransformer(str(weights), device=device, local_files_only=True)
        transformer = cast("torch.nn.Module", loaded[0].auto_model).eval()
        self._transformer = transformer.half() if half else transformer.float()
        self._device = device

    def run(self, ids: Ints, mask: Ints) -> Floats:
        (vectors,) = self._outputs(ids, mask, 1)
        return vectors

    def run_tokens(self, ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
        vectors, states = self._outputs(ids, mask, 2)
        return vectors, states

    def _outputs(self, ids: Ints, mask: Ints, count: int) -> list[Floats]:
        """Return the first `count` outputs: others are not copied from the GPU. Splits the batch in halves when memory runs out."""
        import torch

        try:
            with torch.inference_mode():
                found = self._encode(torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device))
                return [np.asarray(each.cpu().numpy(), dtype=np.float32) for each in found[:count]]
        except torch.cuda.OutOfMemoryError:
            if len(ids) == 1:
                raise
        # Other processes use the GPU too: memory that was free at the start may be taken now.
        torch.cuda.empty_cache()
        middle = len(ids) // 2
        halves = self._outputs(ids[:middle], mask[:middle], count), self._outputs(ids[middle:], mask[middle:], count)
        return [np.concatenate(each) for each in zip(*halves, strict=True)]

    def _encode(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return unit vectors (batch × 384) and the token states before the mean (batch × tokens × 384)."""
        import torch

        states = self._transformer(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids)).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, p=2, dim=1), states
