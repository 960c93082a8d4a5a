"""Passages: pieces of a document that keep where they stand in it.

A passage ends where the text itself does: before a heading, else after a paragraph, a line, a sentence, and only
then between two words; never inside a word. So a piece is about one thing, and a reader can be shown its place.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from workbench.core import EVERYONE, Corpus, Document, Origin, RetrievalError

_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.M)
_ENDS = (
    re.compile(r"\n[ \t]*(?:\n[ \t]*)+"),  # a paragraph
    re.compile(r"\n"),  # a line
    re.compile(r"(?<=[.!?])[\"'”’)]*\s+"),  # a sentence
    re.compile(r"\s+"),  # a word
)
_LEAST = 0.4
"""The share of the wanted size from which on the end of something larger is preferred to a fuller passage."""


class _Breaks(NamedTuple):
    """Places where a passage can end, by what ends there: a section, paragraph, line, sentence, word."""

    kinds: tuple[Sequence[int], ...]

    def end(self, start: int, size: int) -> int:
        """The best end of a passage that begins at `start`: after the first word if even that is longer than `size`."""
        for places in self.kinds:
            last = bisect_right(places, start + size) - 1
            if last >= 0 and places[last] >= start + max(1, size * _LEAST):
                return places[last]
        words = self.kinds[-1]
        inside = bisect_right(words, start + size) - 1
        return words[inside] if inside >= 0 and words[inside] > start else words[bisect_right(words, start)]

    def begin(self, end: int, overlap: int, after: int) -> int:
        """Where the passage after one that ends at `end` begins: at most `overlap` earlier, at a sentence or a word."""
        for places in self.kinds[3:]:
            first = bisect_left(places, max(end - overlap, after + 1))
            if first < len(places) and places[first] < end:
                return places[first]
        return end


def cut(document: Document, *, size: int, overlap: int = 0) -> tuple[Document, ...]:
    """The passages of a document, in order: at most `size` characters each, unless a single word is longer.

    A passage repeats at most `overlap` characters of the one before. Its text is exactly that of the whole from
    `origin.start` to `origin.end`; all but white space is in at least one. Its title is the document's, then the
    heading it stands under; source, readers, trust and the rest are the document's. A document that fits, or has no
    text, gives one passage. A document without origin was made here: its passages say "here" and anyone may read them.

    Raises: RetrievalError if the size is less than 1, or the overlap not less than the size.
    """
    if size < 1 or not 0 <= overlap < size:
        raise RetrievalError(
            f"document {document.doc_id!r}: can't be cut into {size} characters with {overlap} repeated; "
            "give a size of at least 1 and an overlap below it"
        )
    spans = _spans(document.text, size, overlap) or [(0, min(size, len(document.text)))]
    return tuple(_passage(document, start, end) for start, end in spans)


def cut_corpus(corpus: Corpus, *, size: int, overlap: int = 0) -> Corpus:
    """A corpus of the passages of every document, documents in order. Raises: as `cut`."""
    passages = (passage for document in corpus.documents for passage in cut(document, size=size, overlap=overlap))
    return Corpus(name=corpus.name, documents=tuple(passages))


def _spans(text: str, size: int, overlap: int) -> list[tuple[int, int]]:
    headings = [match.start() for match in _HEADING.finditer(text)]
    ends = [[*(match.end() for match in kind.finditer(text)), len(text)] for kind in _ENDS]
    breaks = _Breaks((headings, *ends))
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = len(text) if len(text) - start <= size else breaks.end(start, size)
        piece = text[start:end]
        first, last = start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
        if first < last:
            spans.append((first, last))
        start = end if end == len(text) else breaks.begin(end, overlap, start)
    return spans


def _passage(document: Document, start: int, end: int) -> Document:
    origin = document.origin or Origin(source="here", trust="trusted", readers=(EVERYONE,))
    headings = [match.group(1) for match in _HEADING.finditer(document.text, 0, end) if match.start() <= start]
    title = " › ".join(part for part in (document.title, *headings[-1:]) if part)
    return document.model_copy(
        update={
            "doc_id": f"{document.doc_id}@{start}-{end}",
            "text": document.text[start:end],
            "title": title,
            "origin": origin.model_copy(update={"whole": document.doc_id, "start": start, "end": end}),
        }
    )
