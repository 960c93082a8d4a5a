"""Checking a package before anything in it is understood."""

import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from workbench.core import ChecksumMismatch, PackageError
from workbench.packaging import verify_package
from workbench.packaging.contents import check_contents, read_contents, write_zip
from workbench.packaging.manifest import MANIFEST, render_manifest


def copy(package: Path, folder: Path) -> Path:
    return Path(shutil.copytree(package, folder / package.name))


def zip_of(package: Path) -> Path:
    return package.with_name(f"{package.name}.zip")


def test_folder_and_zip_are_the_same_package(package: Path) -> None:
    """A package has one digest, whichever of its two forms is verified."""

    assert verify_package(package) == verify_package(zip_of(package))


def test_every_file_changed_by_one_byte_is_refused(package: Path, tmp_path: Path) -> None:
    """One changed byte at the start, in the middle or at the end of any file is refused, and the file is named."""
    changed = copy(package, tmp_path)
    for file in sorted(path for path in changed.rglob("*") if path.is_file()):
        data = file.read_bytes()
        for position in {0, len(data) // 2, len(data) - 1}:
            file.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            name = file.relative_to(changed).as_posix()

            with pytest.raises(ChecksumMismatch, match=None if name == MANIFEST else f"'{name}'"):
                verify_package(changed)

        file.write_bytes(data)

    assert verify_package(package) == verify_package(changed)


def test_nothing_is_understood_before_everything_is_checked(package: Path) -> None:
    """A header that can't be parsed is not looked at while another file is wrong."""
    contents = read_contents(package)
    files = {**contents.files, "agentpkg.json": b"not JSON"}
    files[MANIFEST] = render_manifest(files)

    with pytest.raises(ChecksumMismatch, match=r"evals/verdict\.json"):
        check_contents("x", {**files, "evals/verdict.json": b"changed"})


@pytest.mark.parametrize("name", ["program/more.json", "setup.py", "index/.hidden", "a/b/c.md"])
def test_a_surplus_file_is_refused(package: Path, tmp_path: Path, name: str) -> None:
    """A file that the manifest does not name is refused."""
    changed = copy(package, tmp_path)
    (changed / name).parent.mkdir(parents=True, exist_ok=True)
    (changed / name).write_text("x")

    with pytest.raises(ChecksumMismatch, match=f"'{name}' is not in the manifest"):
        verify_package(changed)


def test_a_missing_file_is_refused(package: Path, tmp_path: Path) -> None:
    """A file that only the manifest has is refused; so is a package without a manifest."""
    changed = copy(package, tmp_path)
    (changed / "program/state.json").unlink()

    with pytest.raises(ChecksumMismatch, match=r"'program/state\.json' is missing"):
        verify_package(changed)

    (changed / MANIFEST).unlink()

    with pytest.raises(ChecksumMismatch, match=f"'{MANIFEST}' is missing"):
        verify_package(changed)


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "empty folder"])
def test_links_devices_and_empty_folders_are_refused(package: Path, tmp_path: Path, kind: str) -> None:
    """A link is refused even if it leads to the very bytes that the manifest names."""
    changed = copy(package, tmp_path)
    file = changed / "program" / "state.json"
    if kind == "link":
        file.unlink()
        file.symlink_to(package / "program" / "state.json")
    elif kind == "folder link":
        shutil.rmtree(changed / "program")
        (changed / "program").symlink_to(package / "program", target_is_directory=True)
    elif kind == "pipe":
        file.unlink()
        os.mkfifo(file)
    else:
        (changed / "extra").mkdir()

    with pytest.raises(ChecksumMismatch, match=r"link or a device|is empty"):
        verify_package(changed)


@pytest.mark.parametrize("path", ["../outside.json", "/etc/passwd", "a/../b.json", "a//b.json", "./a.json", "ä.json"])
def test_a_path_that_leaves_the_package_is_refused(path: str) -> None:
    """A manifest names paths inside the package only."""
    files = {path: b"{}"}

    with pytest.raises(ChecksumMismatch, match="line 1"):
        check_contents("x", {**files, MANIFEST: render_manifest(files)})


@pytest.mark.parametrize(
    "manifest", [b"", b"\n", b"0" * 64, b"0" * 64 + b"  2  b.json\n" + b"0" * 64 + b"  2  a.json\n"]
)
def test_a_manifest_of_another_form_is_refused(manifest: bytes) -> None:
    """The manifest has one form: lines of digest, size and path, sorted by path."""

    with pytest.raises(ChecksumMismatch, match=MANIFEST):
        check_contents("x", {MANIFEST: manifest})


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("program/state.json", pickle.dumps({"a": 1})),
        ("program/state.pkl", pickle.dumps({"a": 1})),
        ("program/code.py", b"print(1)\n"),
        ("index/vectors.npy", saved(np.array([None]))),
        ("index/vectors.npy", saved(np.zeros(1, dtype=[("a", "O")]))),
        ("index/vectors.npy", pickle.dumps([1.0])),
        ("docs/card.md", b"text\0"),
        ("noextension", b"text"),
    ],
)
def test_what_is_neither_text_nor_numbers_is_refused(path: str, data: bytes) -> None:
    """A pickle is refused although the manifest names it with the right digest, whatever it is called."""
    files = {path: data}

    with pytest.raises(ChecksumMismatch, match="neither text nor an array"):
        check_contents("x", {**files, MANIFEST: render_manifest(files)})


def test_an_array_of_numbers_passes() -> None:
    """Vectors are what an index needs."""
    files = {"index/vectors.npy": saved(np.zeros((2, 3), dtype=np.float32))}

    assert files == check_contents("x", {**files, MANIFEST: render_manifest(files)}).files


def test_a_zip_has_one_form(package: Path, tmp_path: Path) -> None:
    """Any changed byte of a zip is refused, also in headers and dates; so is a compressed one and one with more."""
    data = zip_of(package).read_bytes()
    changed = tmp_path / "x.zip"
    step = max(1, len(data) // 150)
    for position in [*range(0, len(data), step), *range(len(data) - 80, len(data))]:
        changed.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])

        with pytest.raises(ChecksumMismatch):
            verify_package(changed)

    for other in (data + b"more", b"more" + data, data[: len(data) // 2], b""):
        changed.write_bytes(other)

        with pytest.raises(ChecksumMismatch):
            verify_package(changed)

    with zipfile.ZipFile(zip_of(package)) as archive, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))

    with pytest.raises(ChecksumMismatch, match="compressed"):
        verify_package(changed)


def test_a_known_digest_pins_the_package(package: Path) -> None:
    """With a digest from elsewhere, a sound but other package is refused."""
    digest = verify_package(package).package_digest

    assert digest == verify_package(package, digest=digest).package_digest
    with pytest.raises(PackageError, match="not 000000000000"):
        verify_package(package, digest="0" * 64)


def test_no_package_is_an_error_for_a_person(tmp_path: Path) -> None:
    """A path without a package says so."""

    with pytest.raises(PackageError, match="is missing"):
        verify_package(tmp_path / "none.agentpkg")


def test_the_zip_depends_on_the_files_alone() -> None:
    """Same files, same bytes, in whatever order they come."""

    assert write_zip({"a": b"1", "b": b"2"}) == write_zip({"b": b"2", "a": b"1"})
