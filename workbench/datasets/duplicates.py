"""Near-duplicate requests: texts that say the same in almost the same words."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil

_WORD = re.compile(r"\w+")
THRESHOLD = Fraction(4, 5)
"""The least Jaccard similarity of near-duplicates, as a fraction: 0.8 as a float is not exact."""


class Partition:
    """Disjoint groups of 0 .. size-1 that can only be joined.

    >>> groups = Partition(3)
    >>> groups.join(0, 2)
    >>> groups.root(0) == groups.root(2), groups.root(1)
    (True, 1)
    """

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, item: int) -> int:
        """The smallest member of the item's group."""
        while self._parents[item] != item:
            self._parents[item] = self._parents[self._parents[item]]
            item = self._parents[item]
        return item

    def join(self, one: int, other: int) -> None:
        """Make one group of the groups of both."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parents[high] = low


def normalize(text: str) -> tuple[str, ...]:
    """The words of a request in order: compatibility form, case folded, without punctuation.

    >>> normalize("What's 2.5 ＋ x?")
    ('what', 's', '2', '5', 'x')
    """
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def near_duplicates(texts: Sequence[str]) -> tuple[int, ...]:
    """For each text the index of the first text of its group.

    Two texts are near-duplicates if the Jaccard similarity of their sets of words is at least 0.8; groups
    are the connected parts, so two members of one group may be less alike. Texts without a word form one
    group. Every pair is found. Source of the candidate rule: Chaudhuri, Ganti, Kaushik 2006, A Primitive
    Operator for Similarity Joins in Data Cleaning (prefix filter).

    >>> near_duplicates(["please book me a table", "What is 2+2?", "Please, book me a table!"])
    (0, 1, 0)
    """
    words = [frozenset(normalize(text)) for text in texts]
    groups = Partition(len(texts))
    for one, other in _alike(words):
        groups.join(one, other)
    return tuple(groups.root(index) for index in range(len(texts)))


def _alike(sets: Sequence[frozenset[str]]) -> Iterable[tuple[int, int]]:
    """Every pair of sets with a Jaccard similarity of at least the threshold.

    Two such sets share at least ceil(0.8 n) of the n words of either, so with all words in one fixed order
    they share one of the first n - ceil(0.8 n) + 1. Rare words first keeps the lists short.
    """
    counts = Counter(word for words in sets for word in words)
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for index, words in enumerate(sets):
        ordered = sorted(words, key=lambda word: (counts[word], word)) or [""]
        prefix = ordered[: len(ordered) - ceil(THRESHOLD * len(ordered)) + 1]
        for candidate in sorted({earlier for word in prefix for earlier in seen[word]}):
            if _jaccard_reaches(sets[candidate], words):
                yield candidate, index
        for word in prefix:
            seen[word].append(index)


def _jaccard_reaches(one: frozenset[str], other: frozenset[str]) -> bool:
    shared = len(one & other)
    union = len(one) + len(other) - shared
    return union == 0 or Fraction(shared, union) >= THRESHOLD
