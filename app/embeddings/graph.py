"""Build the ONNX graph of a BERT sentence encoder from its weights. Knows no file and no runtime; imports no torch.

Source: Devlin et al., 2019 (the encoder), Reimers and Gurevych, 2019 (masked mean, unit length). The operators are those that torch's
exporter writes, since runtimes know its attention, its GELU and its layer norm by their pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
IDS, MASK, VECTORS, TOKENS = "ids", "mask", "vectors", "tokens"
MASKED = np.finfo(np.float32).min
MIN_COUNT, MIN_NORM = 1e-9, 1e-12
"""Lower bounds of a divisor, those of sentence-transformers: a text without a token has a vector of zeros."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an encoder, by the names of its `config.json`."""

    hidden_size: int
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """Read a model's configuration. ValueError if it is none of BERT with absolute positions and the exact GELU, which this builds."""
        wanted = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
        for name, value in wanted.items():
            if config.get(name) != value:
                raise ValueError(f"{name} is {config.get(name)!r}: the graph can be built of a model with {value!r} only.")
        return cls(config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"], config["layer_norm_eps"])


def encoder(weights: Mapping[str, NDArray[np.float32]], shape: Shape) -> onnx.ModelProto:
    """Return the model of ids, mask (batch × tokens, int64) → unit vectors (batch × hidden), token vectors (batch × tokens × hidden).

    Both float32; the token vectors are those before the mean. KeyError: a weight is missing.
    """
    graph = _Graph(weights)
    states = _embedded(graph, shape)
    hidden_from = graph.node("Where", graph.mask(), graph.constant(np.float32(0)), graph.constant(MASKED))
    for layer in range(shape.num_hidden_layers):
        states = _layer(graph, shape, f"encoder.layer.{layer}", states, hidden_from)
    graph.node("Identity", states, output=TOKENS)
    _pooled(graph, states)
    sizes: tuple[str, str] = ("batch", "tokens")
    made = helper.make_graph(
        graph.nodes,
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, sizes) for name in (IDS, MASK)],
        [
            helper.make_tensor_value_info(VECTORS, TensorProto.FLOAT, ("batch", shape.hidden_size)),
            helper.make_tensor_value_info(TOKENS, TensorProto.FLOAT, (*sizes, shape.hidden_size)),
        ],
        graph.initializers,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="cairn")


class _Graph:
    """The nodes and tensors of a graph under construction. A method returns the name of what it adds."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._weights = weights
        self._numbers = count()
        self._stored: set[str] = set()

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator}_{next(self._numbers)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: Any, dtype: type[np.generic] | None = None) -> str:
        return self._store(f"constant_{next(self._numbers)}", np.asarray(value, dtype))

    def weight(self, name: str) -> str:
        return self._store(name, self._weights[name])

    def mask(self) -> str:
        """Add the mask as attention needs it: true where a token is, broadcast over heads and the tokens that look."""
        return self.node("Cast", self.node("Unsqueeze", MASK, self.constant([1, 2], np.int64)), to=TensorProto.BOOL)

    def linear(self, name: str, value: str) -> str:
        """Add a layer that torch stores as outputs × inputs."""
        transposed = self._store(f"{name}.weight.T", np.ascontiguousarray(self._weights[f"{name}.weight"].T))
        return self.node("Add", self.weight(f"{name}.bias"), self.node("MatMul", value, transposed))

    def normalized(self, name: str, value: str, epsilon: float) -> str:
        return self.node("LayerNormalization", value, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=epsilon)

    def _store(self, name: str, value: NDArray[Any]) -> str:
        if name not in self._stored:
            self._stored.add(name)
            self.initializers.append(numpy_helper.from_array(value, name))
        return name


def _embedded(graph: _Graph, shape: Shape) -> str:
    """Add the sum of each token's word, segment (always the first) and position, normalized."""
    words = graph.node("Gather", graph.weight("embeddings.word_embeddings.weight"), IDS)
    segment = graph.node("Gather", graph.weight("embeddings.token_type_embeddings.weight"), graph.constant(0, np.int64))
    tokens = graph.node("Gather", graph.node("Shape", IDS), graph.constant(1, np.int64))
    places = graph.node("Range", graph.constant(0, np.int64), tokens, graph.constant(1, np.int64))
    positions = graph.node("Gather", graph.weight("embeddings.position_embeddings.weight"), places)
    added = graph.node("Add", graph.node("Add", words, segment), positions)
    return graph.normalized("embeddings.LayerNorm", added, shape.layer_norm_eps)


def _layer(graph: _Graph, shape: Shape, name: str, states: str, hidden_from: str) -> str:
    attended = graph.linear(f"{name}.attention.output.dense", _attention(graph, shape, f"{name}.attention.self", states, hidden_from))
    states = graph.normalized(f"{name}.attention.output.LayerNorm", graph.node("Add", attended, states), shape.layer_norm_eps)
    widened = _gelu(graph, graph.linear(f"{name}.intermediate.dense", states))
    narrowed = graph.linear(f"{name}.output.dense", widened)
    return graph.normalized(f"{name}.output.LayerNorm", graph.node("Add", narrowed, states), shape.layer_norm_eps)


def _attention(graph: _Graph, shape: Shape, name: str, states: str, hidden_from: str) -> str:
    """Add attention over all heads. `hidden_from`: 0 where a token may be looked at, the lowest number elsewhere."""
    size = shape.hidden_size // shape.num_attention_heads
    by_head = graph.constant([0, 0, shape.num_attention_heads, size], np.int64)

    def heads(part: str, order: tuple[int, ...]) -> str:
        return graph.node("Transpose", graph.node("Reshape", graph.linear(f"{name}.{part}", states), by_head), perm=order)

    likeness = graph.node("MatMul", heads("query", (0, 2, 1, 3)), heads("key", (0, 2, 3, 1)))
    scaled = graph.node("Mul", likeness, graph.constant(size**-0.5, np.float32))
    shares = graph.node("Softmax", graph.node("Add", scaled, hidden_from), axis=-1)
    mixed = graph.node("Transpose", graph.node("MatMul", shares, heads("value", (0, 2, 1, 3))), perm=(0, 2, 1, 3))
    return graph.node("Reshape", mixed, graph.constant([0, 0, shape.hidden_size], np.int64))


def _gelu(graph: _Graph, value: str) -> str:
    """Add x · (1 + erf(x / √2)) / 2."""
    erf = graph.node("Erf", graph.node("Div", value, graph.constant(2**0.5, np.float32)))
    doubled = graph.node("Mul", value, graph.node("Add", erf, graph.constant(1, np.float32)))
    return graph.node("Mul", doubled, graph.constant(0.5, np.float32))


def _pooled(graph: _Graph, states: str) -> None:
    """Add the mean of the tokens that the mask shows, at unit length: the output VECTORS."""
    weights = graph.node("Cast", graph.node("Unsqueeze", MASK, graph.constant([-1], np.int64)), to=TensorProto.FLOAT)
    axis = graph.constant([1], np.int64)
    total = graph.node("ReduceSum", graph.node("Mul", states, weights), axis, keepdims=0)
    shown = graph.node("Clip", graph.node("ReduceSum", weights, axis, keepdims=0), graph.constant(MIN_COUNT, np.float32))
    mean = graph.node("Div", total, shown)
    length = graph.node("Clip", graph.node("ReduceL2", mean, axes=[1], keepdims=1), graph.constant(MIN_NORM, np.float32))
    graph.node("Div", mean, length, output=VECTORS)
