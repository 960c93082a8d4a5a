"""Retrieval: from a corpus to an index that finds the right document, or tool, for a request.

Open it for `build_index(corpus, IndexSpec())`, an index in memory that an experiment freezes and a package ships; or
for `create_live`, `refresh` and `LiveIndex(folder).passages(query, k, view)`, an index on disk that follows its corpus,
up to a million passages; or for `open_store(where, name)`, the same in a database or on an object store. All answer
`search(query, k, view)`.

Why both words and meanings: tools are named in code and asked for in prose. Words find the tool that a
request names, vectors find the one it describes, and rank fusion needs no common scale between them. Why
every hit carries its parts: the cosine of the best hit tells an agent when no tool fits, which a fused
rank can't. Why a `View` is asked for inside: what a caller may not read takes no place in a ranking, so nothing has to
be taken out of an answer, and narrow callers lose nothing. Why an index is a folder of plain files: it ships inside a
package, where nothing is unpickled. Why the live one has postings of its own: scores of the engines there are hang on
how documents came in, and a refreshed index has to answer as a rebuilt one does. Why judgments stand here: tuning
compares by them, and what is right for a query is a fact about documents, not about agents.
"""

from workbench.retrieval.address import Address
from workbench.retrieval.analyzer import STOP_WORDS, analyze, words_of
from workbench.retrieval.builder import build_index, build_with
from workbench.retrieval.chunking import cut, cut_corpus
from workbench.retrieval.cross_encoder import CrossEncoderSpec, describe_cross_encoder
from workbench.retrieval.dense import Embedder
from workbench.retrieval.embed import EmbedCall, Embedding, EmbedSpec, Encoder
from workbench.retrieval.embed_probe import Watched
from workbench.retrieval.embed_remote import OtherDimensions, RemoteEmbedder
from workbench.retrieval.fusion import convex_combination, reciprocal_rank_fusion
from workbench.retrieval.hybrid import HybridIndex
from workbench.retrieval.index import Hit, Index, IndexSpec, Vectors, searchable
from workbench.retrieval.judgments import Judgment, check_judgments, judge_cases, known_items, read_judgments
from workbench.retrieval.knobs import LIVE_KNOBS
from workbench.retrieval.live import LiveIndex, LiveStats, Passage
from workbench.retrieval.live_explain import Explanation, explain
from workbench.retrieval.live_frozen import copy_live, digest_generation, freeze
from workbench.retrieval.live_manifest import MANIFEST, Manifest, read_manifest
from workbench.retrieval.live_refresh import Refreshed, compact, create_live, refresh, update
from workbench.retrieval.passages import passages_of
from workbench.retrieval.rerank import FEATURES, Ranker, Tree
from workbench.retrieval.reranked import innermost
from workbench.retrieval.routed import RoutedIndex
from workbench.retrieval.store import read_index, write_index
from workbench.retrieval.stores import Store, check_spec, create_store, open_store, stored_spec
from workbench.retrieval.view import ANYONE, Condition, View
from workbench.retrieval.whole import WholeIndex, judge_wholes, whole_ids

__all__ = [
    "ANYONE",
    "FEATURES",
    "LIVE_KNOBS",
    "MANIFEST",
    "STOP_WORDS",
    "Address",
    "Condition",
    "CrossEncoderSpec",
    "EmbedCall",
    "EmbedSpec",
    "Embedder",
    "Embedding",
    "Encoder",
    "Explanation",
    "Hit",
    "HybridIndex",
    "Index",
    "IndexSpec",
    "Judgment",
    "LiveIndex",
    "LiveStats",
    "Manifest",
    "OtherDimensions",
    "Passage",
    "Ranker",
    "Refreshed",
    "RemoteEmbedder",
    "RoutedIndex",
    "Store",
    "Tree",
    "Vectors",
    "View",
    "Watched",
    "WholeIndex",
    "analyze",
    "build_index",
    "build_with",
    "check_judgments",
    "check_spec",
    "compact",
    "convex_combination",
    "copy_live",
    "create_live",
    "create_store",
    "cut",
    "cut_corpus",
    "describe_cross_encoder",
    "digest_generation",
    "explain",
    "freeze",
    "innermost",
    "judge_cases",
    "judge_wholes",
    "known_items",
    "open_store",
    "passages_of",
    "read_index",
    "read_judgments",
    "read_manifest",
    "reciprocal_rank_fusion",
    "refresh",
    "searchable",
    "stored_spec",
    "update",
    "whole_ids",
    "words_of",
    "write_index",
]
