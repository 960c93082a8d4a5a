"""What is decided before a model is asked is tuned without asking one."""

from dataclasses import dataclass, replace

import pytest
import towns

from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import Corpus, OptimizeError
from workbench.lms import CallStore, scope, scripted_lm
from workbench.optimize import RetrievalSearch, Task, Trial, optimize
from workbench.retrieval import ANYONE, Hit, IndexSpec, View

SIMILAR = {"weather": 0.9, "trains": 0.8, "hotels": 0.7}
"""Best similarity of a request for each tool."""


@dataclass(frozen=True)
class Judged:
    """An index that knows how similar each request is; on "dense" it takes trains for hotels."""

    spec: IndexSpec
    corpus: Corpus
    stray: float | None = 0.65
    """Best similarity of a request that no tool serves; None if nothing is found."""
    digest: str = "judged"
    vectors: None = None

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """One hit."""
        words = {"weather": "weather", "trains": "trains", "free hotels": "hotels"}
        tool = next((tool for word, tool in words.items() if word in query), "hotels")
        similarity = self.stray if query.startswith("Sing") else SIMILAR[tool]
        if similarity is None:
            return ()
        found = "hotels" if tool == "trains" and self.spec.retriever == "dense" else tool
        key = next(one.doc_id for one in self.corpus.documents if one.title == found)
        return (Hit(doc_id=key, score=similarity, parts={"dense_similarity": similarity}),)


def judged_task(store: CallStore) -> tuple[towns.World, Task]:
    """The small world over an index with known similarities."""
    world = towns.World(store=store)
    lm = scripted_lm(world.engine, store=store, meter=world.meter)

    def build(spec: AgentSpec) -> Agent:
        return build_agent(spec, index=Judged(spec.index, towns.catalogue_of_towns()), lm=lm)

    train = (*towns.TRAIN, towns.stray(1), towns.stray(2))
    return world, replace(world.task, build=build, train=train)


def tune(task: Task) -> Trial:
    """The candidate of tuning."""
    with scope(run=towns.RUN):
        space = {"index.retriever": ["dense", "hybrid"]}
        return optimize(towns.start(), [RetrievalSearch(space)], task).trials[-1]


def test_the_best_retriever_gets_the_smallest_best_threshold(store: CallStore) -> None:
    """Strays are 0.65 similar and calls at least 0.7: that parts them. By vectors alone trains are mistaken."""
    _, task = judged_task(store)
    trial = tune(task)

    assert ("tune_retrieval", "hybrid", 0.7) == (trial.origin, trial.spec.index.retriever, trial.spec.abstain_below)


def test_without_abstentions_nothing_abstains(store: CallStore) -> None:
    """Every threshold up to 0.7 is as good: the smallest is 0."""
    _, task = judged_task(store)

    assert 0.0 == tune(replace(task, train=towns.TRAIN[:-1])).spec.abstain_below


def test_it_asks_no_model_but_for_its_one_whole_trial(store: CallStore) -> None:
    """All calls are those of validation cases."""
    world, task = judged_task(store)
    trial = tune(task)

    assert {case.case_id for case in towns.VAL} == set(store.frame()["case_id"])
    assert (True, 24) == (trial.complete, store.frame().height)
    assert world.calls <= 24


@pytest.mark.parametrize("seed", range(4))
def test_a_request_that_finds_nothing_is_an_abstention(seed: int, store: CallStore) -> None:
    """An index that finds nothing for a stray is better than one that is sure of it, whichever is tried first."""
    world, task = judged_task(store)
    lm = scripted_lm(world.engine, store=store, meter=world.meter)

    def build(spec: AgentSpec) -> Agent:
        stray = None if spec.index.retriever == "hybrid" else 0.95
        return build_agent(spec, index=Judged(spec.index, towns.catalogue_of_towns(), stray=stray), lm=lm)

    train = tuple(case for case in task.train if "trains" not in case.request)
    trial = tune(replace(task, build=build, train=train, seed=seed))

    assert ("hybrid", 0.0) == (trial.spec.index.retriever, trial.spec.abstain_below)


def test_it_is_for_agents_that_call_tools(store: CallStore) -> None:
    """Others rank no tools."""
    search = RetrievalSearch({"index.k1": [0.9]})
    _, task = judged_task(store)

    def refuse(start: AgentSpec, search_: object) -> None:
        search(start.model_copy(update={"pattern": "answer"}), search_)  # type: ignore[arg-type]

    with pytest.raises(OptimizeError, match="tune_retrieval: agent pattern 'answer' ranks no tools"):
        optimize(towns.start(), [refuse], task)


def test_it_needs_cases_to_judge(store: CallStore) -> None:
    """An empty train split is named."""
    _, task = judged_task(store)

    with pytest.raises(OptimizeError, match="no training case expects a call or an abstention; enlarge the train"):
        tune(replace(task, train=()))
