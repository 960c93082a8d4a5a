"""What `workbench doctor` looks at. It changes nothing, loads no model and sends nothing but one greeting."""

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from workbench.core import Record
from workbench.datasets import default_cache, load_registry

WANTED_BYTES = 5 * 10**9
"""What the lab's packages, the model, the data sets and a few experiments take together."""
KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "MISTRAL_API_KEY",
    "GROQ_API_KEY",
    "OPENROUTER_API_KEY",
)
_CONNECT_SECONDS = 2.0
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)[^;]*?(?:;.*extra == ['\"](\w+)['\"])?$")


class Finding(Record):
    """One thing that was looked at."""

    area: str
    name: str
    state: Literal["fine", "missing", "unknown"]
    detail: str


def examine(workspace: Path) -> tuple[Finding, ...]:
    """Everything worth knowing before an experiment is run here, in the order a person would ask."""
    return (*_machine(workspace), *_packages(), _model(), *_sets(), _index(), *_keys())


def _machine(workspace: Path) -> Iterator[Finding]:
    python = f"{platform.python_version()} at {sys.executable}"
    yield Finding(area="machine", name="python", state="fine", detail=python)
    yield Finding(area="machine", name="cores", state="fine", detail=f"{os.cpu_count()} ({platform.machine()})")
    for name, folder in (("workspace", workspace), ("cache", default_cache())):
        existing = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        words = f"{free / 1e9:.1f} GB free for {folder}"
        yield Finding(area="machine", name=name, state="fine" if free > WANTED_BYTES else "missing", detail=words)


def _packages() -> Iterator[Finding]:
    for requirement in requires("workbench") or ():
        match = _REQUIREMENT.match(requirement)
        assert match is not None
        name, area = match[1], match[2] or "runtime"
        try:
            yield Finding(area=area, name=name, state="fine", detail=version(name))
        except PackageNotFoundError:
            words = f"not installed; type: pip install 'workbench{'' if area == 'runtime' else f'[{area}]'}'"
            yield Finding(area=area, name=name, state="missing", detail=words)


def _model() -> Finding:
    path = default_cache() / "gemma-3-270m-q4_k_m.gguf"
    words = f"in {path}" if path.exists() else "is assembled from its package at first use"
    return Finding(area="model", name="embedded", state="fine", detail=words)


def _sets() -> Iterator[Finding]:
    for entry in load_registry().entries:
        folder = default_cache() / entry.folder
        words = f"in {folder}" if folder.is_dir() else f"not fetched; type: uv run workbench data fetch {entry.name}"
        yield Finding(area="data", name=entry.name, state="fine" if folder.is_dir() else "missing", detail=words)


def _index() -> Finding:
    """Whether the package index that a person configured takes a connection."""
    address = urlsplit(_configured_index())
    if not address.hostname:
        return Finding(area="network", name="package index", state="unknown", detail="none is configured for pip")
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname, port), timeout=_CONNECT_SECONDS).close()
    except OSError as cause:
        words = f"{address.hostname}: {cause}; name a folder of wheels with --mirror"
        return Finding(area="network", name="package index", state="missing", detail=words)
    return Finding(area="network", name="package index", state="fine", detail=f"{address.hostname} can be reached")


def _configured_index() -> str:
    named = next((os.environ[name] for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX") if os.environ.get(name)), "")
    if named:
        return named
    command = [sys.executable, "-P", "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def _keys() -> Iterator[Finding]:
    """Names of keys only; their values are looked at by nobody."""
    for name in KEYS:
        if os.environ.get(name):
            yield Finding(area="keys", name=name, state="fine", detail="is set")
    if not any(map(os.environ.get, KEYS)):
        yield Finding(
            area="keys", name="providers", state="unknown", detail="no key is set; the embedded model needs none"
        )
