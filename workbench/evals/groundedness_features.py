"""What can be counted about an answer beside its source, without asking a model.

Each feature compares the words of an answer with the words of its source and of the request. None grows with the
length of the source by itself: retrieval may hand over one passage or ten.
Source for overlap as evidence, and for what misleads it: Dziri et al. 2022, Evaluating Attribution in Dialogue
Systems: The BEGIN Benchmark, TACL 10, section 5.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.core import digest_json

_WORD = re.compile(r"n't\b|[^\W\d_]+|\d+(?:[.,:]\d+)*|'[a-z]+\b")
_STEM_LETTERS = 5


def _split(text: str) -> list[str]:
    return text.split()


# Closed classes and short lists, written down before any feature was measured.
_FUNCTION = frozenset(
    _split(
        """a an the this that these those and or but nor so as if than then of in on at by for from to with without into
        onto about over under between through during before after up down out off is are was were be been being am has
        have had having do does did doing will would shall should can could may might must its it he she they them his
        her their theirs him himself herself itself themselves who whom whose which what where when why how there here
        not no n't 's 're 've 'll 'd 'm s also very just too"""
    )
)
_FIRST = frozenset(_split("i me my mine myself we us our ours 'm"))
_OPINIONS = frozenset(
    _split(
        """love like likes enjoy favorite favourite great good nice cool awesome amazing interesting fun best better bad
        wow yes yeah yea yep no nope oh well haha lol definitely really lot lots pretty agree right true sorry thanks
        wish want"""
    )
)
_NEGATIONS = frozenset(_split("not no never none nobody nothing neither nor without cannot n't"))


def words(text: str) -> tuple[str, ...]:
    """Lower-case words, numbers and clitics in order: the same for "don't" and "do n't".

    >>> words("He didn't see 3.5 of Ann's")
    ('he', 'did', "n't", 'see', '3.5', 'of', 'ann', "'s")
    """
    return tuple(_WORD.findall(text.lower().replace("\u2019", "'").replace("n't", " n't")))


def stem(word: str) -> str:
    """A word without a plural's s, cut to its first five letters; a number stays whole.

    Source: Harman 1991, How Effective Is Suffixing?, JASIS 42(1), for the s; McNamee, Nicholas & Mayfield 2009,
    Addressing Morphological Variation in Alphabetic Languages, SIGIR, for cutting.

    >>> stem("publications") == stem("published"), stem("cars"), stem("1,999")
    (True, 'car', '1999')
    """
    if word[0].isdigit():
        return word.replace(",", "")
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:_STEM_LETTERS]


@dataclass(frozen=True)
class Pair:
    """An answer beside its source and its request, prepared once for all features."""

    answer: str
    source: str
    request: str = ""

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the answer."""
        return words(self.answer)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """The stems of the answer's words."""
        return tuple(map(stem, self.words))

    @cached_property
    def told(self) -> tuple[str, ...]:
        """The stems of the source's words."""
        return tuple(map(stem, self._source_words))

    @cached_property
    def known(self) -> frozenset[str]:
        """The stems that the source has."""
        return frozenset(self.told)

    @cached_property
    def novel(self) -> tuple[bool, ...]:
        """For each word of the answer whether the source lacks it."""
        return tuple(one not in self.known for one in self.stems)

    @cached_property
    def novel_content(self) -> tuple[str, ...]:
        """The content words of the answer that the source lacks, in order."""
        return tuple(word for word, new in zip(self.words, self.novel, strict=True) if new and word not in _FUNCTION)

    def added(self, kind: Collection[str]) -> float:
        """How many words of a kind the answer has that the source lacks, damped."""
        return math.log1p(sum(word in kind and word not in self._source_set for word in self.words))

    @cached_property
    def _source_words(self) -> tuple[str, ...]:
        return words(self.source)

    @cached_property
    def _source_set(self) -> frozenset[str]:
        return frozenset(self._source_words)


def subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, in one pass over `first` with as many bits as `second` is long.

    Source: Hyyrö 2004, Bit-parallel LCS-length computation revisited, AWOCA.

    >>> subsequence("abcbdab", "bdcaba")
    4
    """
    masks: dict[str, int] = defaultdict(int)
    for place, one in enumerate(second):
        masks[one] |= 1 << place
    full = (1 << len(second)) - 1
    row = full
    for one in first:
        matched = row & masks[one] if one in masks else 0
        row = ((row + matched) | (row - matched)) & full
    return len(second) - row.bit_count()


def _longest_novel_run(pair: Pair) -> float:
    longest = current = 0
    for new in pair.novel:
        current = current + 1 if new else 0
        longest = max(longest, current)
    return math.log1p(longest)


def _precision(pair: Pair) -> float:
    return 1 - sum(pair.novel) / max(1, len(pair.novel))


def _bigram_precision(pair: Pair) -> float:
    had = set(zip(pair.told, pair.told[1:], strict=False))
    own = list(zip(pair.stems, pair.stems[1:], strict=False))
    return sum(one in had for one in own) / len(own) if own else _precision(pair)


def _from_request(pair: Pair) -> float:
    asked = frozenset(map(stem, words(pair.request)))
    return math.log1p(sum(stem(word) in asked for word in pair.novel_content))


def _negated(pair: Pair) -> float:
    return float(not _NEGATIONS.isdisjoint(pair.words) and _NEGATIONS.isdisjoint(words(pair.source)))


FEATURES: dict[str, Callable[[Pair], float]] = {
    "length": lambda pair: math.log(max(1, len(pair.words))),
    "novel_words": lambda pair: math.log1p(sum(pair.novel)),
    "novel_content": lambda pair: math.log1p(len(pair.novel_content)),
    "longest_novel_run": _longest_novel_run,
    "precision": _precision,
    "bigram_precision": _bigram_precision,
    "subsequence": lambda pair: subsequence(pair.stems, pair.told) / max(1, len(pair.stems)),
    "from_request": _from_request,
    "first_person": lambda pair: pair.added(_FIRST),
    "opinions": lambda pair: pair.added(_OPINIONS),
    "negated": _negated,
    "question": lambda pair: float("?" in pair.answer),
}
"""Each feature by name, in the order of the columns of `features`."""


def features(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """A row for each pair and a column for each feature."""
    rows = [[feature(pair) for feature in FEATURES.values()] for pair in pairs]
    return np.array(rows, dtype=np.float64).reshape(len(pairs), len(FEATURES))


_PROBES = (
    Pair("I love it, but 3 towers weren't built in Paris in 1889, right?", "A tower was built in Paris in 1889."),
    Pair("The tower is high.", "The towers of Paris are high and old.", "Are the bridges high?"),
    Pair("Bridges of iron cross the river Seine.", "", "Which bridges cross the river?"),
    Pair("", "Nothing."),
)


def features_digest() -> str:
    """Digest of what is counted on a few fixed texts: weights learned on features that count otherwise are nonsense."""
    return digest_json([[name, *column] for name, column in zip(FEATURES, _rounded(features(_PROBES)), strict=True)])


def _rounded(table: NDArray[np.float64]) -> list[list[float]]:
    return [[round(value, 9) for value in column] for column in table.T.tolist()]
