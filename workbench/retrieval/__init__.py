"""Retrieval: from a corpus to an index that finds the right document, or tool, for a request.

Open it for `build_index(corpus, IndexSpec())`; every index answers `search(query, k)`.

Why both words and meanings: tools are named in code and asked for in prose. Words find the tool that a
request names, vectors find the one it describes, and rank fusion needs no common scale between them. Why
every hit carries its parts: the cosine of the best hit tells an agent when no tool fits, which a fused
rank can't. Why an index is a folder of plain files: it ships inside a package, where nothing is unpickled.
"""

from workbench.retrieval.analyzer import STOP_WORDS, analyze
from workbench.retrieval.builder import build_index
from workbench.retrieval.dense import Embedder
from workbench.retrieval.fusion import reciprocal_rank_fusion
from workbench.retrieval.index import Hit, Index, IndexSpec, Vectors
from workbench.retrieval.store import read_index, write_index
from workbench.retrieval.view import ANYONE, Condition, View

__all__ = [
    "ANYONE",
    "STOP_WORDS",
    "Condition",
    "Embedder",
    "Hit",
    "Index",
    "IndexSpec",
    "Vectors",
    "View",
    "analyze",
    "build_index",
    "read_index",
    "reciprocal_rank_fusion",
    "write_index",
]
