"""Aspects: the sentences of a long request, each of which may ask for another document."""

import re

_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)*]*\s+|\s*\n\s*")
_LEAST_WORDS = 4
"""Fewer words say too little to be looked for: "Hi!", "Yes, please."."""


def aspects_of(query: str, most: int) -> tuple[str, ...]:
    """The first `most` different sentences of a query that has at least two; else none.

    >>> aspects_of("I lost my card today. Can I get my fee back? Thanks!", 8)
    ('I lost my card today.', 'Can I get my fee back?')
    >>> aspects_of("Can I get my fee back?", 8)
    ()
    """
    pieces = (piece.strip() for piece in _SENTENCE.split(query))
    found = tuple(dict.fromkeys(piece for piece in pieces if len(piece.split()) >= _LEAST_WORDS))
    return found[:most] if len(found) > 1 and most > 0 else ()
