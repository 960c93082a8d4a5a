"""Files of a repository on this disk, as one revision has them: the only importer of dulwich.

Why a library and not the git command: git reads the repository's own configuration, which may name programs to run
and places to fetch from. Here nothing runs, and nothing that is not on the disk is read.
"""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core import DataError, boundary, nearest
from workbench.datasets.parse import Unparsed, instant
from workbench.datasets.source import GitSource
from workbench.datasets.source_files import LINK, Item, Read, Refused, chosen, too_large

if TYPE_CHECKING:
    from dulwich.objects import Commit
    from dulwich.repo import Repo

_FURTHEST = 20_000  # commits to look back for the last change of a file; an older one counts as of the last of them


def read_repository(source: GitSource, folder: Path) -> Iterator[Read]:
    """The files of the source's revision by path; `folder` is what its place is relative to.

    A file's version and time are those of the last commit that changed it, so a commit elsewhere changes nothing
    of it. Links are not followed, and submodules are left out.

    Raises: DataError if there is no repository or no such revision.
    """
    from dulwich.objects import Blob  # noqa: PLC0415 - only repositories need it
    from dulwich.repo import Repo  # noqa: PLC0415

    root = source.place(folder)
    if not root.is_dir():
        raise DataError(f"folder {str(root)!r} is missing; correct where: it is relative to the corpus's file")
    with boundary(DataError, f"folder {str(root)!r} can't be read as a Git repository; name the folder above .git"):
        repo = Repo(str(root))
    with repo, boundary(DataError, f"repository {str(root)!r} can't be read; run git fsck there"):
        commit = _commit(repo, source.revision)
        files = {path: (mode, identity) for path, mode, identity in _files(repo, commit, source)}
        changed = _last_changes(repo, commit, set(files))
        for path, (mode, identity) in sorted(files.items()):
            if stat.S_ISLNK(mode):
                yield Refused(path, Unparsed("", "refused", LINK))
                continue
            blob = repo[identity]
            assert isinstance(blob, Blob), "a tree says of each file what it is"
            if why := too_large(blob.raw_length(), source):
                yield Refused(path, why)
                continue
            last = changed[path]
            yield Item(path, blob.data, instant(last.commit_time), version=last.id.decode()[:12])


def _commit(repo: "Repo", revision: str) -> "Commit":
    from dulwich.objectspec import parse_commit  # noqa: PLC0415

    try:
        return parse_commit(repo, revision.encode())
    except (KeyError, ValueError) as cause:
        names = (name.decode(errors="replace").split("/", 2)[-1] for name in repo.get_refs())
        raise DataError(f"revision {revision!r} is not in the repository; {nearest(revision, names)}") from cause


def _files(repo: "Repo", commit: "Commit", source: GitSource) -> Iterator[tuple[str, int, bytes]]:
    from dulwich.object_store import iter_tree_contents  # noqa: PLC0415

    for entry in iter_tree_contents(repo.object_store, commit.tree):
        path = (entry.path or b"").decode("utf-8", "surrogateescape")
        mode = entry.mode or 0
        if (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) and chosen(path, source):
            yield path, mode, entry.sha


def _last_changes(repo: "Repo", commit: "Commit", paths: set[str]) -> dict[str, "Commit"]:
    """For each path the last commit that changed it; a merge that only takes over a change is not it."""
    missing, found = set(paths), {}
    last = commit
    for number, entry in enumerate(repo.get_walker(include=[commit.id])):
        last = entry.commit
        for change in entry.changes():
            for one in change if isinstance(change, list) else [change]:
                path = (one.new.path or b"").decode("utf-8", "surrogateescape") if one and one.new else ""
                if path in missing:
                    missing.remove(path)
                    found[path] = last
        if not missing or number >= _FURTHEST:
            break
    return found | dict.fromkeys(missing, last)
