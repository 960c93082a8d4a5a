"""Tune what is decided before a model is asked: which tool comes first, and when to abstain. It costs no call."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from workbench.agents import Agent, AgentSpec
from workbench.core import Case, ExpectedAbstention, ExpectedCall, OptimizeError
from workbench.optimize.search import Search
from workbench.optimize.space import Space, sample, vary

MOST_POINTS = 64


@dataclass(frozen=True)
class RetrievalSearch:
    """Search the retrieval knobs by how often the right tool is ranked first, and abstention is right.

    It is judged on training cases, since no model and so no demo is involved; the threshold of abstention
    is set on the same cases. Only the winner is then tried on the validation cases, with a model.
    """

    space: Space
    """Knobs of the index, for instance {"index.retriever": ["bm25", "hybrid"]}."""
    most_cases: int = 300
    """Training cases it looks at."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """One candidate: the best point of the space with its threshold.

        Raises: OptimizeError if the agent calls no tools.
        """
        if start.pattern != "tool_call":
            raise OptimizeError(f"tune_retrieval: agent pattern {start.pattern!r} ranks no tools; drop this optimizer")
        task = search.task
        judged = [case for case in task.train if isinstance(case.expected, ExpectedCall | ExpectedAbstention)]
        points = sample(self.space, count=MOST_POINTS, seed=task.seed)
        agents = (task.build(vary(start, point)) for point in points)
        scored = [_best_threshold([_decide(agent, case) for case in judged[: self.most_cases]]) for agent in agents]
        # Ties go to the point that was drawn first.
        number = max(range(len(points)), key=lambda index: (scored[index][0], -index))
        spec = vary(start, {**points[number], "abstain_below": scored[number][1]})
        search.attempt(spec, origin="tune_retrieval")
        # Hundreds of training cases say more of retrieval than the few validation cases that a model answered.
        return spec


def _best_threshold(decided: Sequence[tuple[float, bool, bool]]) -> tuple[float, float]:
    """The highest share of right decisions any threshold reaches, and the lowest threshold that reaches it."""
    if not decided:
        raise OptimizeError("tune_retrieval: no training case expects a call or an abstention; enlarge the train split")
    thresholds = sorted({0.0, *(round(max(0.0, similarity), 4) for similarity, _, _ in decided)})
    shares = [(sum(_right(one, threshold) for one in decided) / len(decided), -threshold) for threshold in thresholds]
    share, negative = max(shares)
    return share, -negative


def _decide(agent: Agent, case: Case) -> tuple[float, bool, bool]:
    """Best similarity, whether the first tool is the right one, whether a call is expected at all.

    Where nothing is found the agent abstains at any threshold: below 0.
    """
    hits, similarity = agent.module.rank(case.request)
    expected = case.expected
    first = hits[0].doc_id.partition("#")[0] if hits else ""
    right = isinstance(expected, ExpectedCall) and first == expected.tool.name
    return similarity if hits else -1.0, right, isinstance(expected, ExpectedCall)


def _right(decided: tuple[float, bool, bool], threshold: float) -> bool:
    similarity, first_is_right, expects_call = decided
    abstains = similarity < threshold
    return first_is_right and not abstains if expects_call else abstains


RETRIEVAL_SPACE: dict[str, list[JsonValue]] = {"index.retriever": ["bm25", "dense", "hybrid"]}
"""What is searched if an experiment names no knob of the index."""
