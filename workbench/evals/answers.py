"""Is a text the answer? The two measures of SQuAD, and its way to make texts comparable.

Source: Rajpurkar et al. 2016, SQuAD: 100,000+ Questions for Machine Comprehension of Text, section 6.1.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def comparable(text: str) -> str:
    """Text in lower case, without punctuation, English articles and surplus white space.

    >>> comparable("The  Eiffel Tower!")
    'eiffel tower'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact(answer: str, right: Sequence[str]) -> float:
    """1.0 if the answer equals one of the right texts once both are comparable, else 0.0.

    >>> exact("the Eiffel tower", ["Eiffel Tower"])
    1.0
    """
    return float(comparable(answer) in {comparable(text) for text in right})


def f1(answer: str, right: Sequence[str]) -> float:
    """The best harmonic mean of token precision and recall over the right texts, in [0, 1].

    Two texts without any token agree; one without tokens agrees with nothing else.

    >>> f1("tower in Paris", ["Eiffel tower"])
    0.4
    """
    return max(_overlap(comparable(answer).split(), comparable(text).split()) for text in right)


def _overlap(answer: Sequence[str], right: Sequence[str]) -> float:
    if not answer or not right:
        return float(not answer and not right)
    shared = sum((Counter(answer) & Counter(right)).values())
    return 2 * shared / (len(answer) + len(right))
