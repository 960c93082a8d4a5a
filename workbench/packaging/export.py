"""Writing a package: everything the winning agent needs, and what proves that it won."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import JsonValue

from workbench.agents import AgentSpec, build_agent
from workbench.core import DataError, PackageError, Record, boundary, write_bytes
from workbench.lms import replayed_lm
from workbench.packaging.cards import agent_card, data_sheet
from workbench.packaging.contents import check_contents, read_contents, write_zip
from workbench.packaging.contract import error_schema, input_schema, openapi, output_schema
from workbench.packaging.gate import require_pass
from workbench.packaging.keys import needed_secrets, refuse_secrets
from workbench.packaging.manifest import MANIFEST, render_manifest
from workbench.packaging.opening import TOKENIZER
from workbench.packaging.parts import (
    REFERENCE,
    Header,
    Licences,
    Override,
    PackageParts,
    Prices,
    Route,
    Routes,
    Supply,
    Tools,
)
from workbench.packaging.regression import clean_recordings, keep_cases
from workbench.retrieval import Embedder, LiveIndex, write_index
from workbench.safety import Redactor, environment_secrets


def export_package(folder: Path, parts: PackageParts, *, override: Override | None = None) -> Path:
    """Write the package `<name>-<version>.agentpkg` into a folder, with its zip beside it; the package's directory.

    The same parts give the same bytes. A package that is there already is left as it is if it is the same one.

    Raises: GateNotPassed without a passing verdict on this agent, unless a person overrides it. PackageError if a
    case is not answered as recorded, a secret's value would go in, another package of that name and version is
    there, or the disk refuses; nothing is then left behind.
    """
    header = _header(parts)
    name = f"{header.name}-{header.version}"
    files = _files(header, parts, override)
    refuse_secrets(name, files, header.secrets)
    files[MANIFEST] = render_manifest(files)
    digest = check_contents(name, files).digest
    target = folder / f"{name}.agentpkg"
    if target.exists():
        if read_contents(target).digest != digest:
            raise PackageError(f"package {str(target)!r}: is another package of this version; raise the version")
    else:
        _write_folder(target, files)
    with boundary(PackageError, f"package {str(target)!r}: its zip can't be written"):
        write_bytes(target.with_name(f"{target.name}.zip"), write_zip(files))
    return target


def _header(parts: PackageParts) -> Header:
    tools = _tools(parts)
    with boundary(PackageError, f"package {parts.name!r} version {parts.version!r}"):
        return Header(
            name=parts.name,
            version=parts.version,
            secrets=needed_secrets(parts.spec),
            tools=() if tools is None else tuple(sorted(tools.schemas)),
        )


def _files(header: Header, parts: PackageParts, override: Override | None) -> dict[str, bytes]:
    redactor = Redactor(secrets=environment_secrets())
    recordings = clean_recordings(parts.recordings, redactor)
    # The agent as it will be loaded: from the JSON of its spec.
    spec = AgentSpec.model_validate(parts.spec.model_dump(mode="json"))
    if isinstance(parts.index, LiveIndex) is not (parts.live is not None):
        raise PackageError(
            f"package {header.name!r}: a live index is referred to, and any other ships; give one or both"
        )
    agent = build_agent(spec, index=parts.index, lm=replayed_lm(spec.lm, recordings))
    require_pass(header.name, parts.verdict, override, agent_digest=agent.digest)
    if parts.report.run_digest != parts.verdict.run_digest:
        raise PackageError(f"package {header.name!r}: report and verdict rest on different runs; give those of one run")
    dirty = len(recordings) < len({recording.key for recording in parts.recordings})
    cases, regression = keep_cases(agent, parts.cases, dirty=dirty, redactor=redactor)
    supply = _supply(parts, agent.digest)
    return {
        "agentpkg.json": _json(header),
        **_agent_files(parts),
        **_contract_files(header, parts),
        **_index_files(parts),
        "evals/verdict.json": _json(parts.verdict),
        "evals/report.json": _json(parts.report),
        "evals/regression.json": _json(regression),
        **_lines("evals/regression.jsonl", cases),
        **_lines("evals/cassettes.jsonl", recordings),
        **({} if override is None else {"evals/override.json": _json(override)}),
        "safety/limits.json": _json(parts.limits),
        "supply/provenance.json": _json(supply),
        "supply/licences.json": _json(_licences(parts)),
        "supply/sources.json": _json(parts.sources),
        "docs/AGENT_CARD.md": agent_card(header, parts, override=override, regression=regression),
        "docs/DATA.md": data_sheet(parts),
    }


def _agent_files(parts: PackageParts) -> dict[str, bytes]:
    spec, tools = parts.spec, _tools(parts)
    routes = Routes(answer=Route(lm=spec.lm, deadline_seconds=parts.deadline_seconds))
    return {
        "program/spec.json": _pretty(spec_without_program(spec)),
        "program/state.json": _json(spec.program),
        "models/routes.json": _json(routes),
        **({} if spec.lm.price is None else {"models/prices.json": _json(Prices(answer=spec.lm.price))}),
        **({} if tools is None else {"tools/tools.json": _json(tools)}),
    }


def spec_without_program(spec: AgentSpec) -> dict[str, JsonValue]:
    """The spec as JSON, without the program, which has a file of its own."""
    return {name: value for name, value in spec.model_dump(mode="json").items() if name != "program"}


def _tools(parts: PackageParts) -> Tools | None:
    if parts.spec.pattern != "tool_call" or isinstance(parts.index, LiveIndex):
        return None
    documents = parts.index.corpus.documents
    return Tools(schemas={document.doc_id: document.tool.digest for document in documents if document.tool is not None})


def _contract_files(header: Header, parts: PackageParts) -> dict[str, bytes]:
    return {
        "contract/input.schema.json": _pretty(input_schema(parts.limits)),
        "contract/output.schema.json": _pretty(output_schema()),
        "contract/error.schema.json": _pretty(error_schema()),
        "contract/openapi.json": _pretty(openapi(header.name, header.version, parts.limits)),
    }


def _index_files(parts: PackageParts) -> dict[str, bytes]:
    """A copy of the index, or what names the live one with what its queries need."""
    index = parts.index
    if isinstance(index, LiveIndex):
        encoder = index.encoder
        tokenizer = {TOKENIZER: encoder.tokenizer.read_bytes()} if isinstance(encoder, Embedder) else {}
        return tokenizer if parts.live is None else {REFERENCE: _json(parts.live), **tokenizer}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        write_index(folder, index)
        return {f"index/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}


def _supply(parts: PackageParts, agent_digest: str) -> Supply:
    verdict = parts.verdict
    return Supply(
        provenance=parts.provenance,
        agent_digest=agent_digest,
        index_digest=parts.index.digest,
        corpus_digest=parts.sources.corpus_digest,
        evalset_digest=verdict.evalset_digest,
        run_digest=verdict.run_digest,
        champion_digest=verdict.champion_digest,
        champion_run_digest=verdict.champion_run_digest,
        rules_digest=verdict.rules_digest,
    )


def _licences(parts: PackageParts) -> Licences:
    data = {source.name: source.licence for source in parts.provenance.data}
    return Licences(data=data, model=parts.provenance.model_licence)


def _json(record: Record) -> bytes:
    return _pretty(record.model_dump(mode="json"))


def _pretty(value: JsonValue) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _lines(path: str, records: Iterable[Record]) -> dict[str, bytes]:
    """The file of JSON Lines, or nothing where there is no record."""
    dumped = (record.model_dump(mode="json") for record in records)
    text = "".join(f"{json.dumps(line, sort_keys=True, ensure_ascii=False, allow_nan=False)}\n" for line in dumped)
    return {path: text.encode()} if text else {}


def _write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
            written = Path(temporary) / target.name
            for path, data in files.items():
                write_bytes(written / path, data)
            os.rename(written, target)
    except (OSError, DataError) as cause:
        raise PackageError(f"package {str(target)!r}: can't be written: {cause}; free space or move it") from cause
