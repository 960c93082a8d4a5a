"""What a package is made from, and the records it carries about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pydantic import Field

from workbench.agents import AgentSpec
from workbench.core import Case, Prediction, Record, Report, Spend, Verdict
from workbench.lms import LMSpec, Price, Recording
from workbench.packaging.sources import Sources, survey
from workbench.retrieval import Index, LiveIndex, View

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
VERSION = r"^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}(?:-[0-9A-Za-z.-]{1,32})?$"


class DataSource(Record):
    """One data set that the agent, its index or its evaluation came from."""

    name: str
    sha256: str
    """Of what was taken from it."""
    licence: str
    """SPDX identifier."""
    source: str
    attribution: str = ""
    terms: str = ""


class Provenance(Record):
    """Where an agent comes from: what only the lab knows."""

    data: tuple[DataSource, ...]
    seed: int
    optimizer: str | None = None
    """Name of the optimizer that found the configuration; None if a person wrote it."""
    spend: Spend | None = None
    """What the search and the evaluations cost together; None if it was not counted."""
    commit: str | None = None
    """The git commit of the code, if it was known and clean."""
    model_licence: str | None = None
    """Licence of the language model; None if the provider's terms apply."""


class Override(Record):
    """A person's decision to release without a passing verdict. It is written into the package and shown."""

    who: str = Field(min_length=1)
    why: str = Field(min_length=1)


class Limits(Record):
    """What a server of this package accepts."""

    most_request_characters: int = Field(default=4000, ge=1, le=60_000)
    most_body_bytes: int = Field(default=65_536, ge=64, le=65_536)
    most_body_depth: int = Field(default=32, ge=1, le=32)
    most_runs_at_once: int = Field(default=2, ge=1, le=64)
    """Runs that are worked on; others wait."""
    most_runs_waiting: int = Field(default=32, ge=0, le=1024)
    """Runs that may wait; further ones are refused."""


class RecordedCase(Record):
    """A case with what the agent answered: the package must answer it so for ever."""

    case: Case
    prediction: Prediction
    """Without its steps: their times differ between machines."""
    principals: tuple[str, ...] = ()
    """As whom it was asked; nobody in particular if empty."""

    @property
    def view(self) -> View:
        """What whoever asked may see."""
        return View(principals=self.principals)


REFERENCE = "index/reference.json"
"""Where a package names a live index, instead of shipping a copy."""


class LiveReference(Record):
    """index/reference.json: the live index that a package searches. What it holds may change; what it is may not."""

    name: str
    location: str
    """Its folder. Where it stands elsewhere, whoever serves the package says so."""
    identity: str
    """What tells it from other live indexes: its name, how it finds, with which embedding model."""
    content: str
    """The digest of the generation that the verdict rests on."""
    generation: int


@dataclass(frozen=True, kw_only=True)
class PackageParts:
    """Everything `export_package` needs."""

    name: str
    version: str
    spec: AgentSpec
    index: Index | LiveIndex
    """A live index is the generation that was evaluated; `live` then says where the one lies that goes on."""
    verdict: Verdict
    report: Report
    cases: tuple[RecordedCase, ...]
    recordings: tuple[Recording, ...]
    """The answers of the language model that the cases need."""
    provenance: Provenance
    limits: Limits = field(default_factory=Limits)
    deadline_seconds: float = 60.0
    """How long a caller waits for a run at most."""
    live: LiveReference | None = None
    """The live index that it refers to; None ships the index."""
    uris: Mapping[str, str] = field(default_factory=dict)
    """Where sources of the index are read from, by name, as far as that is known."""

    @cached_property
    def sources(self) -> Sources:
        """What its index was made from."""
        return survey(self.index, self.uris)


class Runtime(Record):
    """Versions of the workbench that can serve a package: from `at_least` on, and below `below`."""

    at_least: str = "0.1"
    below: str = "0.2"


class Header(Record):
    """agentpkg.json: what a package is, before anything else of it is opened."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=NAME)
    version: str = Field(pattern=VERSION)
    entrypoint: Literal["workbench.agents:build_agent"] = "workbench.agents:build_agent"
    runtime: Runtime = Runtime()
    secrets: tuple[str, ...] = ()
    """Names of environment variables that hold keys; never their values."""
    tools: tuple[str, ...] = ()
    """Ids of the tools whose calls it may propose; it executes none."""


class Route(Record):
    """Which model plays a role, and how long a run may take."""

    lm: LMSpec
    deadline_seconds: float = Field(gt=0, le=3600, allow_inf_nan=False)


class Routes(Record):
    """models/routes.json."""

    answer: Route


class Prices(Record):
    """models/prices.json: what a person wrote down of a model's price, with the day."""

    answer: Price


class Tools(Record):
    """tools/tools.json: digests of the tools' schemas by id. What a call of them does is not known here."""

    schemas: dict[str, str]


class Supply(Record):
    """supply/provenance.json: everything that the agent and its verdict rest on."""

    provenance: Provenance
    agent_digest: str
    index_digest: str
    corpus_digest: str
    evalset_digest: str
    run_digest: str
    champion_digest: str
    champion_run_digest: str
    rules_digest: str


class Licences(Record):
    """supply/licences.json."""

    data: dict[str, str]
    """Licence by data set."""
    model: str | None


class Regression(Record):
    """evals/regression.json: what became of the recorded cases when the package was written."""

    kept: int
    left_out: tuple[str, ...]
    """Ids of cases that held a secret or personal data, or whose recording did."""


class PackageInfo(Record):
    """What a verified package says of itself."""

    package_digest: str
    """Digest of its manifest: it names the package."""
    name: str
    version: str
    files: int
    size_bytes: int
    verdict: Verdict
    override: Override | None
    secrets: tuple[str, ...]
    """Names of the secrets it needs."""
    model: str
