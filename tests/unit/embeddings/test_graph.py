"""The graph of a small encoder with random weights: its mask, its lengths, and the configurations that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from app.embeddings.graph import Shape, encoder

SHAPE = Shape(hidden_size=8, num_attention_heads=2, num_hidden_layers=2, layer_norm_eps=1e-12)
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "layer_norm_eps": 1e-12,
}


def weights() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(7)

    def some(*sizes: int) -> NDArray[np.float32]:
        return random.standard_normal(sizes).astype(np.float32)

    made = {f"embeddings.{name}_embeddings.weight": some(size, 8) for name, size in (("word", 20), ("position", 16), ("token_type", 2))}
    norms, linear = ["embeddings.LayerNorm"], dict[str, tuple[int, int]]()
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        linear |= {f"{layer}.attention.self.{name}": (8, 8) for name in ("query", "key", "value")}
        linear |= {
            f"{layer}.attention.output.dense": (8, 8),
            f"{layer}.intermediate.dense": (12, 8),
            f"{layer}.output.dense": (8, 12),
        }
    made |= {f"{name}.weight": 1 + some(8) / 10 for name in norms} | {f"{name}.bias": some(8) / 10 for name in norms}
    for name, sizes in linear.items():
        made |= {f"{name}.weight": some(*sizes) / 2, f"{name}.bias": some(sizes[0])}
    return made


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    model = encoder(weights(), SHAPE)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(
    session: onnxruntime.InferenceSession, ids: list[list[int]], mask: list[list[int]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    vectors, tokens = session.run(["vectors", "tokens"], {"ids": np.array(ids, np.int64), "mask": np.array(mask, np.int64)})
    return vectors, tokens


def test_vectors_have_unit_length_and_tokens_their_own(session: onnxruntime.InferenceSession) -> None:
    vectors, tokens = run(session, [[3, 4, 5], [6, 7, 8]], [[1, 1, 1], [1, 1, 1]])
    assert vectors.shape == (2, 8)
    assert tokens.shape == (2, 3, 8)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    mean = tokens.mean(axis=1)
    assert np.allclose(vectors, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)


def test_what_the_mask_hides_changes_nothing(session: onnxruntime.InferenceSession) -> None:
    alone, alone_tokens = run(session, [[3, 4, 5]], [[1, 1, 1]])
    for padding in (0, 9):
        padded, padded_tokens = run(session, [[3, 4, 5, padding, padding]], [[1, 1, 1, 0, 0]])
        assert np.allclose(padded, alone, atol=1e-5)
        assert np.allclose(padded_tokens[:, :3], alone_tokens, atol=1e-4)


def test_order_counts(session: onnxruntime.InferenceSession) -> None:
    vectors, _ = run(session, [[3, 4, 5], [5, 4, 3]], [[1, 1, 1], [1, 1, 1]])
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)


def test_a_text_without_a_token_has_a_vector_of_zeros(session: onnxruntime.InferenceSession) -> None:
    vectors, _ = run(session, [[0, 0]], [[0, 0]])
    assert np.array_equal(vectors, np.zeros((1, 8), np.float32))


@pytest.mark.parametrize(
    ("name", "value"), [("model_type", "roberta"), ("hidden_act", "gelu_new"), ("position_embedding_type", "relative_key")]
)
def test_a_model_of_another_kind_is_refused(name: str, value: str) -> None:
    assert Shape.of(CONFIG) == SHAPE
    with pytest.raises(ValueError, match=f"{name} is '{value}'"):
        Shape.of(CONFIG | {name: value})


def test_a_missing_weight_is_named() -> None:
    some = weights()
    del some["encoder.layer.1.output.dense.bias"]
    with pytest.raises(KeyError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        encoder(some, SHAPE)
