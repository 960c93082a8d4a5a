"""Embeddings are points of length 1 whose distance follows meaning, from exactly the model that is named."""

from concurrent.futures import ThreadPoolExecutor
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
    """Texts of very different length give rows of length 1, in their order."""
    texts = ["cat", "word " * 500, "", "The weather in Rome is warm today, and so it was yesterday.", "cat"]
    rows = embedder.embed(texts)

    assert (5, 384, "float32") == (*rows.shape, rows.dtype.name)
    np.testing.assert_allclose(np.ones(5), np.linalg.norm(rows, axis=1), atol=1e-5)
    np.testing.assert_array_equal(rows[0], rows[4])
    assert 4 == len({row.tobytes() for row in rows})


def test_a_row_hangs_on_its_text_alone(embedder: Embedder, tokenizer: Path) -> None:
    """Bit for bit the same beside other texts, alone, in another order, in two threads, and by another opening."""
    texts = ["cat " * length for length in (1, 14, 15, 40)]
    together = embedder.embed(texts)
    with ThreadPoolExecutor(2) as pool:
        mapped = list(pool.map(embedder.embed, [[text] for text in reversed(texts)] * 2))

    assert [row.tobytes() for row in together[::-1]] * 2 == [rows[0].tobytes() for rows in mapped]
    np.testing.assert_array_equal(together, Embedder(tokenizer, threads=2).embed(texts))


def test_what_fills_up_a_text_means_nothing(embedder: Embedder) -> None:
    """The marker that fills up is a token like any other where a person writes it."""
    plain, marked = embedder.embed(["cat", "cat [PAD]"])

    assert plain @ marked < 0.99


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
