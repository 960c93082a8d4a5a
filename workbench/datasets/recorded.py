"""Runs that were recorded elsewhere, so that nobody starts from nothing: one door for all formats.

`read_recorded(path, kind="tau-bench")` gives `Recorded`: runs as `evaluate` makes them, so reports, comparisons and
gates work on them as on our own. A file is read whole or not at all.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from workbench.core import DataError, digest_file, nearest
from workbench.datasets.agentdojo import read_agentdojo
from workbench.datasets.inspect_log import read_inspect
from workbench.datasets.otel import read_otel
from workbench.datasets.promptfoo import read_promptfoo
from workbench.datasets.recording import Recorded
from workbench.datasets.run_lines import read_lines
from workbench.datasets.tau_bench import read_tau_bench

__all__ = ["RECORDINGS", "Recorded", "read_recorded"]

RECORDINGS: Mapping[str, Callable[[Path], Recorded]] = {
    "agentdojo": read_agentdojo,
    "inspect": read_inspect,
    "lines": read_lines,
    "otel": read_otel,
    "promptfoo": read_promptfoo,
    "tau-bench": read_tau_bench,
}
"""Who reads which kind of file."""

_PUBLISHED: Mapping[str, tuple[str, str]] = {
    "d6d3ae2fc76f806833fca55cff5be5ffa969819764bc4ede5ad809fb163c8821": (
        "MIT",
        "Yao et al. 2024, tau-bench: github.com/sierra-research/tau-bench",
    ),
    "d13c5cf1d3256b90f550d78cb3c707317828cfdf244a73c1efb04e2f4daaac3e": (
        "MIT",
        "SaFo-Lab, AgentDyn: github.com/SaFo-Lab/AgentDyn",
    ),
}
"""Licence and attribution of published recordings, by the SHA-256 of the file: no format carries them."""


def read_recorded(path: Path, *, kind: str) -> Recorded:
    """The runs in a file of that kind; licence and attribution are "not stated" unless the file is a published one.

    Raises: DataError for an unknown kind, with the nearest; or with file and line or index for what breaks the format.
    """
    reader = RECORDINGS.get(kind)
    if reader is None:
        raise DataError(f"recording {str(path)!r}: kind {kind!r} is unknown; {nearest(kind, RECORDINGS)}")
    recorded = reader(path)
    published = _PUBLISHED.get(digest_file(path))
    if published is None:
        return recorded
    licence, attribution = published
    return recorded.model_copy(update={"licence": licence, "attribution": attribution})
