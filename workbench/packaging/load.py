"""Opening a package: checked whole, then built, then asked."""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import dspy
from pydantic import JsonValue, ValidationError

from workbench import __version__
from workbench.agents import Agent, AgentSpec, Program, build_agent
from workbench.core import PackageError, Prediction, RetrievalError, Verdict, write_bytes
from workbench.lms import CallStore, connect
from workbench.packaging.contents import Contents, read_contents
from workbench.packaging.gate import require_pass
from workbench.packaging.keys import missing_secrets
from workbench.packaging.manifest import MANIFEST, render_manifest
from workbench.packaging.opening import open_index
from workbench.packaging.parts import Header, Limits, Override, PackageInfo, Routes, Supply
from workbench.retrieval import ANYONE, LiveIndex, View


@dataclass(frozen=True)
class LoadedPackage:
    """A package that can answer. Safe to ask from many threads at once."""

    info: PackageInfo
    agent: Agent
    limits: Limits
    deadline_seconds: float
    openapi: JsonValue
    """The document its server shows."""
    secrets: tuple[str, ...]
    """Names of the environment variables its language model needs; none if another model was given."""

    def answer(self, request: str, view: View = ANYONE) -> Prediction:
        """Answer one request from what the caller may see.

        Raises: LMError if the language model can't answer; RetrievalError if its live index can't be read.
        """
        return self.agent(request, view)

    def missing(self) -> tuple[str, ...]:
        """What it needs to answer and does not have now, in words; nothing if it is ready."""
        found = [f"environment variable {name!r} is empty" for name in missing_secrets(self.secrets)]
        if isinstance(self.agent.index, LiveIndex):
            try:
                self.agent.index.current()
            except RetrievalError:
                found.append("its live index can't be read")
        return tuple(found)


def verify_package(path: Path, *, digest: str | None = None) -> PackageInfo:
    """Check every file of a package, a folder or a zip, and say what it is.

    Nothing in it is understood before all of it was checked. `digest` is the package's, where it is known from
    elsewhere: then no other package passes.

    Raises: ChecksumMismatch naming the file that is wrong; PackageError if there is no package.
    """
    return describe(_pinned(read_contents(path), digest))


def unpack_package(path: Path, folder: Path) -> Path:
    """Check a package's zip and write its directory into a folder; the directory.

    Raises: ChecksumMismatch, or PackageError if the directory is there already.
    """
    contents = read_contents(path)
    header = contents.record("agentpkg.json", Header)
    target = folder / f"{header.name}-{header.version}.agentpkg"
    if target.exists():
        raise PackageError(f"package {str(target)!r}: is there already; remove it or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{target.name}-") as temporary:
        written = Path(temporary) / target.name
        for name, data in contents.files.items():
            write_bytes(written / name, data)
        write_bytes(written / MANIFEST, render_manifest(contents.files))
        os.rename(written, target)
    return target


def load_package(
    folder: Path, *, store: CallStore | None = None, lm: dspy.LM | None = None, live: Path | None = None
) -> LoadedPackage:
    """Check a package, build its agent and connect its language model.

    `store` keeps the model's answers; `lm` is asked instead of the package's own model, for instance a replayed one.
    `live` is the folder of the live index that the package refers to, if it is not where the package says.

    Raises: ChecksumMismatch naming the file that is wrong; GateNotPassed without a passing verdict or an override;
    RetrievalError if its index can't be read; PackageError if a secret it needs is missing, or this version of the
    workbench can't serve it.
    """
    contents = read_contents(folder)
    if not folder.is_dir():
        raise PackageError(f"package {str(folder)!r}: is a zip; write its folder with `unpack_package`, then load that")
    info = describe(contents)
    header = contents.record("agentpkg.json", Header)
    _check_runtime(header)
    secrets = header.secrets if lm is None else ()
    if missing := missing_secrets(secrets):
        raise PackageError(f"package {info.name!r}: is not ready: environment variable {missing[0]!r} is empty; set it")
    spec, routes = read_spec(contents), contents.record("models/routes.json", Routes)
    if routes.answer.lm != spec.lm:
        raise PackageError(f"package {info.name!r}: its routes and its spec name different models; export it again")
    index = open_index(folder, contents, spec, store=store, live=live)
    agent = build_agent(spec, index=index, lm=lm if lm is not None else connect(spec.lm, store=store))
    require_pass(info.name, info.verdict, info.override, agent_digest=agent.digest)
    # The first search opens the embedding model: what is loaded can answer.
    index.search(info.name, 1)
    return LoadedPackage(
        info=info,
        agent=agent,
        limits=contents.record("safety/limits.json", Limits),
        deadline_seconds=routes.answer.deadline_seconds,
        openapi=contents.json("contract/openapi.json"),
        secrets=secrets,
    )


def describe(contents: Contents) -> PackageInfo:
    """What checked contents say of themselves.

    Raises: PackageError if a file does not fit, or the parts contradict each other.
    """
    header = contents.record("agentpkg.json", Header)
    verdict = contents.record("evals/verdict.json", Verdict)
    if contents.record("supply/provenance.json", Supply).agent_digest != verdict.agent_digest:
        raise PackageError(f"package {header.name!r}: its provenance and its verdict name different agents")
    overridden = "evals/override.json" in contents.files
    return PackageInfo(
        package_digest=contents.digest,
        name=header.name,
        version=header.version,
        files=len(contents.files) + 1,
        size_bytes=sum(map(len, contents.files.values())),
        verdict=verdict,
        override=contents.record("evals/override.json", Override) if overridden else None,
        secrets=header.secrets,
        model=contents.record("models/routes.json", Routes).answer.lm.model,
    )


def read_spec(contents: Contents) -> AgentSpec:
    """The agent's spec, put together from its two files.

    Raises: PackageError if they do not fit.
    """
    fields = contents.json("program/spec.json")
    program = contents.record("program/state.json", Program)
    try:
        return AgentSpec.model_validate({**(fields if isinstance(fields, dict) else {}), "program": program})
    except ValidationError as cause:
        raise PackageError(f"package {contents.name!r}: file 'program/spec.json' does not fit: {cause}") from cause


def _pinned(contents: Contents, digest: str | None) -> Contents:
    if digest is not None and contents.digest != digest:
        raise PackageError(
            f"package {contents.name!r}: is package {contents.digest[:12]}, not {digest[:12]}; get the right one"
        )
    return contents


def _check_runtime(header: Header) -> None:
    running = _numbers(__version__)
    # A source tree has no version: whoever runs it knows what it is.
    if running and not _numbers(header.runtime.at_least) <= running < _numbers(header.runtime.below):
        raise PackageError(
            f"package {header.name!r}: needs workbench from {header.runtime.at_least} and below "
            f"{header.runtime.below}, this is {__version__}; install one that fits"
        )


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; none for a source tree.

    >>> _numbers("0.1.3"), _numbers("0+source")
    ((0, 1, 3), ())
    """
    match = re.match(r"\d+(?:\.\d+)+", version)
    return tuple(map(int, match[0].split("."))) if match else ()
