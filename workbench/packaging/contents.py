"""Files of a package as bytes: read from a folder or a zip, and checked before any of them is understood."""

import io
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from workbench.core import ChecksumMismatch, PackageError, Record, digest_bytes
from workbench.packaging.manifest import MANIFEST, MOST_BYTES, Entry, parse_manifest

R = TypeVar("R", bound=Record)
_TEXT = frozenset({".json", ".jsonl", ".md"})
_ARRAY = re.compile(rb"\x93NUMPY\x01\x00..\{'descr': '[<|][bifu][1248]', 'fortran_order': (?:False|True), ", re.DOTALL)
"""How numpy begins a file of plain numbers; one of objects, which is a pickle, names the type "O"."""
_GRAPH = "index/cross_encoder.onnx"
"""The one graph that a package may hold; the index's spec names it by its SHA-256."""
_GRAPH_BEGINS, _READS_FILES = b"\x08", b"\n\x08location"
"""How ONNX's protobuf begins, with its version; and how it names a file beside it that weights are read from. Source:
onnx.proto, ModelProto.ir_version and TensorProto.external_data."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


@dataclass(frozen=True)
class Contents:
    """The files of a package that were checked against its manifest."""

    name: str
    """Where it came from, for messages."""
    files: Mapping[str, bytes]
    """Every file but the manifest."""
    digest: str
    """Digest of the manifest."""

    def record(self, path: str, kind: type[R]) -> R:
        """One file as a record.

        Raises: PackageError if the package has no such file or it does not fit.
        """
        try:
            return kind.model_validate_json(self._data(path))
        except ValidationError as cause:
            raise PackageError(f"{self._where(path)} does not fit {kind.__name__}: {_first(cause)}") from cause

    def records(self, path: str, kind: type[R]) -> tuple[R, ...]:
        """A file of JSON Lines as records; none if the package has no such file.

        Raises: PackageError for the first line that does not fit.
        """
        records = []
        for number, line in enumerate(self.files.get(path, b"").splitlines(), start=1):
            try:
                records.append(kind.model_validate_json(line))
            except ValidationError as cause:
                where = f"{self._where(path)}, line {number},"
                raise PackageError(f"{where} does not fit {kind.__name__}: {_first(cause)}") from cause
        return tuple(records)

    def json(self, path: str) -> JsonValue:
        """One file as JSON.

        Raises: PackageError if the package has no such file or it is not JSON.
        """
        try:
            return _JSON.validate_json(self._data(path))
        except ValidationError as cause:
            raise PackageError(f"{self._where(path)} is not JSON: {_first(cause)}") from cause

    def _data(self, path: str) -> bytes:
        if path not in self.files:
            raise PackageError(f"{self._where(path)} is missing; export the package again")
        return self.files[path]

    def _where(self, path: str) -> str:
        return f"package {self.name!r}: file {path!r}"


def read_contents(path: Path) -> Contents:
    """Read a package, a folder or a zip, and check it whole.

    Raises: PackageError if there is none; ChecksumMismatch naming the file that is missing, surplus, changed, a link,
    or of a kind that no package has.
    """
    try:
        if path.is_dir():
            return check_contents(path.name, _read_folder(path))
        if path.is_file():
            return check_contents(path.name, _read_zip(path))
    except OSError as cause:
        raise PackageError(f"package {str(path)!r}: can't be read: {cause.strerror}; check the disk") from cause
    raise PackageError(f"package {str(path)!r}: is missing; name a folder or a zip that `export` wrote")


def check_contents(name: str, files: Mapping[str, bytes]) -> Contents:
    """Hold files against the manifest among them.

    Raises: ChecksumMismatch.
    """
    entries = _manifest(name, files.get(MANIFEST))
    known = {entry.path: entry for entry in entries}
    for path in sorted(known.keys() ^ (files.keys() - {MANIFEST})):
        what = "is missing" if path in known else "is not in the manifest"
        raise ChecksumMismatch(f"package {name!r}: file {path!r} {what}; get the package again")
    for entry in entries:
        actual = digest_bytes(files[entry.path])
        if actual != entry.sha256 or len(files[entry.path]) != entry.size:
            raise ChecksumMismatch(
                f"package {name!r}: file {entry.path!r} has SHA-256 {actual[:12]} and {len(files[entry.path])} bytes, "
                f"its manifest says {entry.sha256[:12]} and {entry.size}; get the package again"
            )
    for entry in entries:
        _check_kind(name, entry.path, files[entry.path])
    kept = {entry.path: files[entry.path] for entry in entries}
    return Contents(name, kept, digest_bytes(files[MANIFEST]))


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """The one zip of these files: sorted, stored without compression, all of one date and mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in sorted(files.items()):
            member = zipfile.ZipInfo(path, date_time=_EPOCH)
            member.create_system = 3
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, data)
    return buffer.getvalue()


def _read_folder(root: Path) -> dict[str, bytes]:
    found = _walk(root, root)
    sizes = {entry.path: entry.size for entry in _manifest(root.name, _read_start(found.get(MANIFEST)))}
    files = {}
    for path, file in found.items():
        # A file of the wrong size is refused unread, however big it is.
        if path in sizes and file.stat().st_size != sizes[path]:
            raise ChecksumMismatch(
                f"package {root.name!r}: file {path!r} has {file.stat().st_size} bytes, its manifest says "
                f"{sizes[path]}; get the package again"
            )
        files[path] = file.read_bytes() if path in sizes or path == MANIFEST else b""
    return files


def _walk(root: Path, folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            if entry.is_dir(follow_symlinks=False):
                inner = _walk(root, path)
                if not inner:
                    raise ChecksumMismatch(f"package {root.name!r}: folder {name!r} is empty; get the package again")
                found |= inner
            elif entry.is_file(follow_symlinks=False):
                found[name] = path
            else:
                raise ChecksumMismatch(
                    f"package {root.name!r}: file {name!r} is a link or a device; get the package again"
                )
    return found


def _read_zip(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data) for member in members):
                raise ChecksumMismatch(f"package {path.name!r}: is compressed; a package's zip is not; get it again")
            files = {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as cause:
        raise ChecksumMismatch(f"package {path.name!r}: is no sound zip: {cause}; get the package again") from cause
    check_contents(path.name, files)
    if write_zip(files) != data:
        raise ChecksumMismatch(f"package {path.name!r}: is not the zip that its files make; get the package again")
    return files


def _read_start(file: Path | None) -> bytes | None:
    """As much of a manifest as a manifest can have, and one byte more."""
    if file is None:
        return None
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)


def _manifest(name: str, data: bytes | None) -> tuple[Entry, ...]:
    if data is None or len(data) > MOST_BYTES:
        what = "is missing" if data is None else "is too long"
        raise ChecksumMismatch(f"package {name!r}: file {MANIFEST!r} {what}; get the package again")
    return parse_manifest(data, name)


def _check_kind(name: str, path: str, data: bytes) -> None:
    """Only text, plain arrays and the graph of a cross-encoder that reads no other file: whatever else a file is,
    nothing in a package may need it, pickles least."""
    suffix = PurePosixPath(path).suffix
    if suffix in _TEXT:
        try:
            sound = "\0" not in data.decode("utf-8")
        except UnicodeDecodeError:
            sound = False
    elif path == _GRAPH:
        sound = data.startswith(_GRAPH_BEGINS) and _READS_FILES not in data
    else:
        sound = suffix == ".npy" and _ARRAY.match(data) is not None
    if not sound:
        raise ChecksumMismatch(
            f"package {name!r}: file {path!r} is neither text nor an array of numbers, nor a cross-encoder's graph "
            "that reads no other file; a package holds nothing else"
        )


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
