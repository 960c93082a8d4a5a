"""The manifest: every other file of a package with its digest and size; its own digest names the package."""

import re
from collections.abc import Mapping

from workbench.core import ChecksumMismatch, Record, digest_bytes

MANIFEST = "MANIFEST.sha256"
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<size>0|[1-9][0-9]{0,11})  (?P<path>[A-Za-z0-9_./-]{1,200})")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
MOST_BYTES = 1 << 20
"""A manifest longer than this is none."""


class Entry(Record):
    """One line: a file that belongs to the package."""

    sha256: str
    size: int
    path: str
    """Relative, with slashes."""


def render_manifest(files: Mapping[str, bytes]) -> bytes:
    """The manifest of some files, sorted by path."""
    return "".join(
        f"{digest_bytes(data)}  {len(data)}  {path}\n" for path, data in sorted(files.items()) if path != MANIFEST
    ).encode()


def parse_manifest(data: bytes, package: str) -> tuple[Entry, ...]:
    """The lines of a manifest; only the one form that `render_manifest` writes is accepted.

    Raises: ChecksumMismatch if a line is not of that form, if a path leaves the package, or if the paths are not
    sorted, each once.
    """
    text = data.decode("ascii", errors="replace")
    if not text.endswith("\n"):
        raise ChecksumMismatch(f"package {package!r}: file {MANIFEST!r} does not end a line; get the package again")
    entries = tuple(_entry(number, line, package) for number, line in enumerate(text[:-1].split("\n"), start=1))
    paths = [entry.path for entry in entries]
    if paths != sorted(set(paths)):
        raise ChecksumMismatch(f"package {package!r}: file {MANIFEST!r} is not sorted, each path once; get it again")
    return entries


def _entry(number: int, line: str, package: str) -> Entry:
    match = _LINE.fullmatch(line)
    if match is None or not all(_PART.fullmatch(part) for part in match["path"].split("/")):
        raise ChecksumMismatch(
            f"package {package!r}: line {number} of file {MANIFEST!r} is not digest, size and a path inside the "
            "package; get the package again"
        )
    return Entry(sha256=match["sha256"], size=int(match["size"]), path=match["path"])
