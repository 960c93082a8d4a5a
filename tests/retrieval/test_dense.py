"""Embeddings are points of length 1 whose distance follows meaning, from exactly the model that is named."""

from pathlib import Path

import numpy as np
import pytest

from workbench.core import RetrievalError
from workbench.retrieval import Embedder


@pytest.fixture(scope="module")
def embedder(tokenizer: Path) -> Embedder:
    """The model, opened once."""
    return Embedder(tokenizer)


def test_rows_have_length_one_and_keep_their_order(embedder: Embedder) -> None:
    """Texts of very different length, embedded together or alone, give the same rows of length 1."""
    texts = ["cat", "word " * 500, "", "The weather in Rome is warm today, and so it was yesterday.", "cat"]
    rows = embedder.embed(texts)

    assert (5, 384, "float32") == (*rows.shape, rows.dtype.name)
    np.testing.assert_allclose(np.ones(5), np.linalg.norm(rows, axis=1), atol=1e-5)
    np.testing.assert_allclose(embedder.embed(texts[3:4])[0], rows[3], atol=1e-5)
    np.testing.assert_allclose(rows[0], rows[4], atol=1e-6)


def test_cosines_are_the_published_ones(embedder: Embedder) -> None:
    """Source: sbert.net quickstart for all-MiniLM-L6-v2: 0.6660, 0.1046 and 0.1411 between these sentences."""
    rows = embedder.embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."],
    )

    # The weights are rounded to eight bits, so the second decimal is what can be expected.
    np.testing.assert_allclose([0.6660, 0.1046, 0.1411], (rows @ rows.T)[[0, 0, 1], [1, 2, 2]], atol=0.015)


def test_text_after_the_limit_is_cut(embedder: Embedder) -> None:
    """What stands after 256 tokens changes nothing."""
    one, other = embedder.embed(["word " * 400, "word " * 400 + "zebra"])

    np.testing.assert_allclose(one, other, atol=1e-6)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    """Nothing in, nothing out."""
    assert (0, 384) == embedder.embed([]).shape


def test_a_query_is_remembered(embedder: Embedder) -> None:
    """The second time the same row comes back, and nobody can change it."""
    row = embedder.embed_query("weather in Rome")

    assert row is embedder.embed_query("weather in Rome")
    np.testing.assert_array_equal(embedder.embed(["weather in Rome"])[0], row)
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 1.0


def test_another_tokenizer_is_refused(tokenizer: Path, tmp_path: Path) -> None:
    """One changed byte would change every vector, so the file is checked before it is used."""
    changed = tmp_path / "tokenizer.json"
    changed.write_bytes(tokenizer.read_bytes() + b" ")

    with pytest.raises(RetrievalError, match=r"tokenizer\.json'.*expected be50c362"):
        Embedder(changed).embed(["cat"])
    with pytest.raises(RetrievalError, match=r"absent.*can't be read"):
        Embedder(tmp_path / "absent").embed(["cat"])
