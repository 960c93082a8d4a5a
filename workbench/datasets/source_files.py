"""Files of a folder or of a repository: chosen by pattern, kept inside, opened with care."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from workbench.core import DataError, Scalar
from workbench.datasets.parse import Unparsed, instant
from workbench.datasets.source import Content, FileSource, FolderSource, Tree

LINK = "is a link, and links are not followed; name where it leads in a source of its own, or leave it out with skip"


class Item(NamedTuple):
    """A file as it was read."""

    path: str
    """Below the source's folder, with forward slashes."""
    data: bytes
    changed: str
    """When it last changed: ISO 8601, UTC."""
    version: str = ""
    """The commit that last changed it; empty where there are no commits."""


class Refused(NamedTuple):
    """A file that was not read."""

    path: str
    why: Unparsed


Read = Item | Refused


def read_files(source: FolderSource | FileSource, folder: Path) -> Iterator[Read]:
    """The files of a source by path; `folder` is what its place is relative to.

    Links are never followed, inside a folder or at its end, and only plain files are opened: a corpus holds what
    lies in the folder, and a pipe can't hang it. Files whose name begins with a dot are left out unless a pattern
    says otherwise. The time is that of the file's last change.

    Raises: DataError if the folder or file is missing.
    """
    root = source.place(folder)
    if isinstance(source, FileSource):
        if not root.is_file():
            raise DataError(f"file {str(root)!r} is missing; correct where, or name a folder with kind: folder")
        yield _open(root.resolve(), root.name, source)
        return
    if not root.is_dir():
        raise DataError(f"folder {str(root)!r} is missing; correct where: it is relative to the corpus's file")
    real = root.resolve()
    for path in sorted(_walk(real)):
        if chosen(path, source):
            yield _open(real / path, path, source)


def chosen(path: str, source: Tree) -> bool:
    """Whether a path is one of the source's."""
    wanted = any(_pattern(pattern).fullmatch(path) for pattern in source.files)
    return wanted and not any(_pattern(pattern).fullmatch(path) for pattern in source.skip)


def too_large(size: int, source: Content) -> Unparsed | None:
    """Why a file of so many bytes is not read; None if it is."""
    if size <= most_bytes(source):
        return None
    sizes = f"has {size / (1 << 20):.1f} MB and the limit is {source.most_megabytes:g} MB"
    return Unparsed("", "refused", f"{sizes}; split it, or raise most_megabytes")


def most_bytes(source: Content) -> int:
    """The largest file that a source reads."""
    return int(source.most_megabytes * (1 << 20))


def path_metadata(path: str, pattern: str) -> Mapping[str, Scalar]:
    """What a path says by the pattern of a source; nothing if it does not match. Digits without a leading zero are a
    number.

    >>> path_metadata("vpn/2024/setup.md", "{product}/{year}/**")
    {'product': 'vpn', 'year': 2024}
    """
    found = _pattern(pattern).fullmatch(path) if pattern else None
    return {name: _number(text) for name, text in found.groupdict().items()} if found else {}


def _walk(root: Path) -> Iterator[str]:
    """Paths of all that is no folder; a link to a folder is not entered, and stands for itself."""
    for folder, names, files in os.walk(root, onerror=_unreadable):
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        names[:] = [name for name in names if name not in links]
        for name in (*files, *links):
            yield Path(folder, name).relative_to(root).as_posix()


def _unreadable(cause: OSError) -> None:
    raise DataError(f"folder {cause.filename!r} can't be read: {cause.strerror}; grant access or leave it out")


def _open(path: Path, name: str, source: Content) -> Read:
    # By its descriptor from here on: what stands under the name may change meanwhile. Without waiting: a pipe would.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as cause:
        if path.is_symlink():
            return _refused(name, LINK)
        return _refused(name, f"can't be read: {cause.strerror}; grant access or leave it out with skip")
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return _refused(name, "is no plain file; leave it out with skip")
        if why := too_large(state.st_size, source):
            return Refused(name, why)
        return Item(name, file.read(most_bytes(source)), instant(datetime.fromtimestamp(int(state.st_mtime), UTC)))


def _refused(name: str, reason: str) -> Refused:
    return Refused(name, Unparsed("", "refused", reason))


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of paths as a regular expression; {name} is a group within one name."""
    parts: list[str] = []
    for piece in re.split(r"(\*\*/|\*\*|\*|\?|\{\w+\})", pattern):
        starts = not parts or parts[-1].endswith(("/", "/)*"))
        hidden = r"(?!\.)" if starts else ""
        if piece == "**/":
            parts.append(r"(?:(?!\.)[^/]+/)*")
        elif piece == "**":
            parts.append(r"(?:(?!\.)[^/]+/)*(?!\.)[^/]+" if starts else r"[^/]*")
        elif piece in ("*", "?"):
            parts.append(f"{hidden}[^/]{piece if piece == '*' else ''}")
        elif piece.startswith("{") and piece.endswith("}"):
            parts.append(f"{hidden}(?P<{piece[1:-1]}>[^/]+?)")
        elif piece:
            parts.append(re.escape(piece))
    return re.compile("".join(parts), re.DOTALL)


def _number(text: str) -> Scalar:
    return int(text) if re.fullmatch(r"0|[1-9][0-9]{0,17}", text) else text
