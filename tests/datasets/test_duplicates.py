"""Near-duplicates are found, all of them, and nothing else is grouped."""

import itertools

from workbench.core import stream
from workbench.datasets import near_duplicates


def _jaccard(one: str, other: str) -> float:
    a, b = set(one.split()), set(other.split())
    return len(a & b) / len(a | b)


def test_every_pair_is_found_as_by_comparing_all_with_all() -> None:
    """On random texts the groups are the connected parts of all pairs with a similarity of at least 0.8."""
    random = stream(3, "duplicates")
    texts = [" ".join(random.choices("abcdefghij", k=random.randint(1, 9))) for _ in range(300)]
    expected = list(range(len(texts)))
    for _ in texts:  # spread the smallest index over each connected part
        for i, j in itertools.combinations(range(len(texts)), 2):
            if _jaccard(texts[i], texts[j]) >= 0.8:
                expected[i] = expected[j] = min(expected[i], expected[j])
        if expected == list(near_duplicates(texts)):
            break

    assert tuple(expected) == near_duplicates(texts)


def test_exactly_four_of_five_words_is_enough() -> None:
    """The threshold itself counts, without a rounding error: 4 of 5 yes, 7 of 9 no."""
    assert (0, 0) == near_duplicates(["a b c d", "a b c d e"])
    assert (0, 1) == near_duplicates(["a b c d e f g", "a b c d e f g h i"])


def test_case_width_order_and_punctuation_do_not_matter() -> None:
    """Texts that differ only in typography are the same."""
    assert (0, 0, 0) == near_duplicates(["Book a TABLE", "a table: book!", "ｂｏｏｋ a table"])


def test_texts_without_words_are_one_group() -> None:
    """Nothing resembles nothing."""
    assert (0, 1, 0) == near_duplicates(["?!", "word", ""])
