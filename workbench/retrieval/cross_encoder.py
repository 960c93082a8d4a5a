"""Cross-encoders: a model of this disk that reads a query and a text together and says how well they fit.

With `embed_graph` the only importer of onnxruntime, with `dense` of tokenizers. Nothing is downloaded: a person puts
`model.onnx` and `tokenizer.json` into a folder, and the spec names both by their SHA-256.
Source: Nogueira and Cho 2019, Passage Re-ranking with BERT.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field
from tokenizers import Encoding, Tokenizer

from workbench.core import Record, RetrievalError, boundary, digest_bytes, digest_file

FILES = ("model.onnx", "tokenizer.json")
"""What a folder holds of it."""
KEPT = ("cross_encoder.onnx", "cross_encoder.json")
"""The same two in the folder of an index."""
_SHA256 = r"^[0-9a-f]{64}$"


class CrossEncoderSpec(Record):
    """Which cross-encoder, where it lies, and how much it reads."""

    folder: str = Field(min_length=1)
    """With `model.onnx` and `tokenizer.json`; relative to where the process runs. An index that was written carries
    both with it, and needs it no more."""
    model_sha256: str = Field(pattern=_SHA256)
    tokenizer_sha256: str = Field(pattern=_SHA256)
    depth: int = Field(default=20, ge=1)
    """How many of the first hits it reads; at least k are. Each costs as much as embedding a passage does."""
    tokens: int = Field(default=256, ge=8)
    """How much it reads of query and text together; the text is cut."""


def describe_cross_encoder(folder: Path, *, depth: int = 20, tokens: int = 256) -> CrossEncoderSpec:
    """The spec of the cross-encoder that lies in a folder now.

    Raises: RetrievalError if one of its two files is missing.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise RetrievalError(f"cross-encoder {str(folder)!r}: has no file {name!r}; put the model's there")
    model, tokenizer = (digest_file(folder / name) for name in FILES)
    return CrossEncoderSpec(
        folder=str(folder),
        model_sha256=model,
        tokenizer_sha256=tokenizer,
        depth=depth,
        tokens=tokens,
    )


class CrossEncoder:
    """An opened cross-encoder; safe under threads, which take turns."""

    def __init__(self, model: Path, tokenizer: Path, spec: CrossEncoderSpec) -> None:
        """Raises: RetrievalError if a file is missing, is another than the spec names, or is no cross-encoder."""
        self.files = (model, tokenizer)
        self.folder = folder = model.parent
        self._busy = threading.Lock()
        graph, words = _checked(model, spec.model_sha256), _checked(tokenizer, spec.tokenizer_sha256)
        with boundary(RetrievalError, f"cross-encoder {str(folder)!r}: can't be opened"):
            self._tokenizer = Tokenizer.from_str(words.decode())
            self._tokenizer.no_padding()
            self._session = _open(graph)
        self._inputs = [one.name for one in self._session.get_inputs()]
        if odd := sorted({*self._inputs} - {"input_ids", "attention_mask", "token_type_ids"}):
            raise RetrievalError(
                f"cross-encoder {str(folder)!r}: its graph asks for {odd[0]!r}, which is nothing a text has; export it "
                "with input_ids, attention_mask and token_type_ids"
            )

    def score(self, query: str, texts: Sequence[str], *, tokens: int) -> NDArray[np.float64]:
        """How well each text fits the query, higher is better: the graph's first output, rounded to six digits.

        Each pair is read alone, so its score is the same whatever is read beside it.
        Raises: RetrievalError if the graph fails or gives more than one number for a pair.
        """
        with self._busy, boundary(RetrievalError, f"cross-encoder {str(self.folder)!r}"):
            self._tokenizer.enable_truncation(tokens, strategy="only_second")
            found = [self._one(self._tokenizer.encode(query, text)) for text in texts]
        return np.array([round(score, 6) for score in found], dtype=np.float64)

    def _one(self, pair: Encoding) -> float:
        rows = {"input_ids": pair.ids, "attention_mask": pair.attention_mask, "token_type_ids": pair.type_ids}
        given = {name: np.array([rows[name]], dtype=np.int64) for name in self._inputs}
        output = np.asarray(self._session.run(None, given)[0], dtype=np.float64)
        if output.size != 1 or not np.isfinite(output).all():
            raise RetrievalError(
                f"cross-encoder {str(self.folder)!r}: gives {output.size} numbers for a pair, wanted one finite score; "
                "use a model with a single output"
            )
        return float(output.reshape(-1)[0])


@lru_cache(maxsize=2)
def open_cross_encoder(model: Path, tokenizer: Path, spec: CrossEncoderSpec) -> CrossEncoder:
    """The cross-encoder of two files; the last two stay open, since tuning builds index after index.

    Raises: as `CrossEncoder`.
    """
    return CrossEncoder(model, tokenizer, spec)


def _open(model: bytes) -> onnxruntime.InferenceSession:
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.inter_op_num_threads = 1
    # As for the embedding model: threads that spin while they wait take the cores from everyone else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _checked(path: Path, expected: str) -> bytes:
    where = f"cross-encoder {str(path.parent)!r}: file {path.name!r}"
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise RetrievalError(
            f"{where} can't be read: {cause.strerror}; put the model there, or take cross_encoder out of the spec"
        ) from cause
    if (actual := digest_bytes(data)) != expected:
        raise RetrievalError(f"{where} has SHA-256 {actual}, the spec says {expected}; put back the one that it names")
    return data
