"""An anchor: how long an audit log was at its last checkpoint, kept where whoever can write the log can't."""

import os
from pathlib import Path

from workbench.core import boundary
from workbench.tools.errors import ToolError


def read_anchor(path: Path) -> tuple[int, bytes]:
    """How many lines a log had, and the digits of the last.

    Raises: ToolError if it can't be read.
    """
    with boundary(ToolError, f"anchor {str(path)!r}: can't be read"):
        lines, digits = path.read_bytes().split()
        return int(lines), digits


def write_anchor(path: Path, lines: int, digits: bytes) -> None:
    """Keep how many lines a log has, and the digits of the last, whole or not at all.

    Raises: ToolError if that fails, or if the anchor vouches for more lines already: the log lost some.
    """
    if path.exists() and (held := read_anchor(path)[0]) > lines:
        raise ToolError(f"anchor {str(path)!r}: vouches for {held} lines, the log has {lines}; verify the log")
    with boundary(ToolError, f"anchor {str(path)!r}: can't be written"):
        draft = path.with_name(f".{path.name}-{os.getpid()}")
        with draft.open("wb") as file:
            file.write(b"%d %b\n" % (lines, digits))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
