"""How each optimizer goes about it: which candidates it tries, on how many cases, and what else it asks.

What a loop does hangs on scores that nobody knows yet, so each is drawn at random: a draw is one way it may go.
"""

import math
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile
from random import Random

from workbench.agents import AgentSpec, examples
from workbench.optimize.copro import Copro
from workbench.optimize.fewshot import BootstrappedDemos, LabeledDemos, NearestDemos, taught
from workbench.optimize.frugal import FrugalSearch
from workbench.optimize.gepa import Gepa
from workbench.optimize.infer_rules import InferredRules
from workbench.optimize.joint import JointSearch
from workbench.optimize.loop import Loop, Setting, Visit, Way
from workbench.optimize.mipro import Mipro
from workbench.optimize.portfolio import Drafter
from workbench.optimize.racing import Rules, looks
from workbench.optimize.random_search import RandomSearch
from workbench.optimize.registry import optimizer
from workbench.optimize.retrieval_search import RetrievalSearch
from workbench.optimize.search import Optimizer
from workbench.optimize.simba import Simba
from workbench.optimize.space import sample, vary

SUMMARIES = (7, 11)
"""Fewest and most proposer calls with which MIPROv2 describes many training cases, ten at a time. Source: dspy 3.4.1,
dataset_summary_generator.py: it ends early when the model says five times that nothing is missing."""
LEARNED = 0.25
"""Spread, as a standard deviation of logarithms, of how long prompts are that a search writes itself, against those
with labelled demos. An assumption: a factor of 0.66 to 1.5 in nine cases of ten."""

REWRITTEN = 0.4
"""The same where a model writes instructions or rules at length. An assumption."""

MOST_DROPPED = 0.7
"""The largest share of its candidates that a race drops at a look. An assumption."""
MOST_ROUNDS = 10
"""The most leaders that a frugal search tries on every case: any order of magnitude up to it is as likely. An
assumption."""
SHOWN = 4
"""Demos of a probe that stands for candidates with demos."""
SAME = 0.5
"""How likely an agent that solves a case writes what the label says. An assumption."""
NEW = 0.7
"""How likely a model that writes several instructions writes none twice. An assumption."""


def loop_of(name: str, setting: Setting) -> Loop | None:
    """What the optimizer of that name will do, or None if nothing is known of it."""
    made = optimizer(name, setting.space)
    found = next((loop(made, setting) for kind, loop in LOOPS if isinstance(made, kind)), None)
    if found is None or isinstance(made, RandomSearch):  # which races by itself
        return found
    return found._replace(drafts=isinstance(made, Drafter))


def start_loop(setting: Setting) -> Loop:
    """Every search begins by trying its start."""
    return _fixed(setting.start, setting)


def _fixed(spec: AgentSpec, setting: Setting) -> Loop:
    way = Way((Visit(0, setting.every),))
    return Loop((spec,), lambda _stream: way)


def _labeled(made: Optimizer, setting: Setting) -> Loop:
    assert isinstance(made, LabeledDemos)
    return _fixed(_shown(setting, made.demos), setting)


def _nearest(made: Optimizer, setting: Setting) -> Loop:
    assert isinstance(made, NearestDemos)
    return _fixed(_shown(setting, made.demos).model_copy(update={"demo_choice": "nearest"}), setting)


def _bootstrapped(made: Optimizer, setting: Setting) -> Loop:
    assert isinstance(made, BootstrappedDemos)
    trained = len(examples(setting.task.train))

    def draw(stream: Random) -> Way:
        tried = _attempts(stream, made.demos, trained)
        # Where the first ones were all solved, the demos may be the labelled ones to the letter.
        labelled = tried == made.demos and stream.random() < SAME
        return Way((Visit(0, setting.every, "" if labelled else "bootstrapped"),), training=tried)

    return Loop((_shown(setting, made.demos),), draw, LEARNED)


def _retrieval(made: Optimizer, setting: Setting) -> Loop:
    """Its search asks nobody. Without vectors nothing is too unlike a request, so the agent never abstains."""
    assert isinstance(made, RetrievalSearch)
    retrievers = {setting.start.index.retriever, *made.space.get("index.retriever", ())}
    abstains = min(1.0, 2 * setting.strays) if retrievers & {"dense", "hybrid"} else 0.0
    return _fixed(setting.start, setting)._replace(retrieves=True, abstains=abstains)


def _racing(made: Optimizer, setting: Setting) -> Loop:
    """Which candidates a race drops is drawn, and so is how many: between two looks any share up to `MOST_DROPPED`."""
    assert isinstance(made, RandomSearch)
    filled = taught(setting.start, setting.task)
    points = sample(made.space, count=made.candidates, seed=setting.task.seed)
    probes = tuple(vary(filled, point) for point in points)
    seen = looks([case.cluster for case in setting.cases], made.first_cases)

    def draw(stream: Random) -> Way:
        share = stream.uniform(0.0, MOST_DROPPED)
        return Way(tuple(Visit(probe, range(_met(stream, share, seen))) for probe in range(len(probes))))

    return Loop(probes, draw, trials=len(probes))


def _joint(made: Optimizer, setting: Setting) -> Loop:
    """Candidates on more and more cases, until the budget ends or nobody could enlarge the front."""
    assert isinstance(made, JointSearch)
    rungs = made.rungs(len(setting.every))

    def draw(stream: Random) -> Way:
        count = round(made.candidates ** stream.random())
        further = stream.random()
        visits = []
        for number in range(count):
            reached = sum(takewhile(bool, (stream.random() < further for _ in rungs[1:])))
            visits.append(Visit(stream.randrange(2), range(rungs[reached]), f"{number}"))
        return Way((Visit(0, setting.every), *visits))

    return Loop((setting.start, _shown(setting, SHOWN)), draw, REWRITTEN, trials=sys.maxsize)


def _frugal(made: Optimizer, setting: Setting) -> Loop:
    """A few cases of many candidates, as many as there are for validation and half as many again for each leader."""
    assert isinstance(made, FrugalSearch)
    total = len(setting.every)

    def draw(stream: Random) -> Way:
        leaders = round(MOST_ROUNDS ** stream.random())
        steps = math.ceil((total + (leaders - 1) * max(1, total // 2)) / made.batch)
        few = [Visit(stream.randrange(2), range(min(made.batch, total)), f"{number}") for number in range(steps)]
        whole = [Visit(stream.randrange(2), setting.every, f"leader {number}") for number in range(leaders)]
        return Way((Visit(0, setting.every), *few, *whole))

    return Loop((setting.start, _shown(setting, SHOWN)), draw, REWRITTEN, trials=sys.maxsize)


def _mipro(made: Optimizer, setting: Setting) -> Loop:
    """Demo sets, then instructions, then trials of both together, which race; what is drawn twice is asked once.

    Source: dspy 3.4.1, mipro_optimizer_v2.py with minibatch off, utils.create_n_fewshot_demo_sets and
    grounded_proposer.py: three calls for each instruction of each predictor.
    """
    assert isinstance(made, Mipro)
    trained, count = len(examples(setting.task.train)), max(1, made.candidates)
    predictors = len(setting.task.build(setting.start).module.predictors())
    fewest, most = (min(1 + math.ceil(trained / 10), limit) for limit in SUMMARIES)
    seen = looks([case.cluster for case in setting.cases], made.rules.first_cases)

    def draw(stream: Random) -> Way:
        share = stream.uniform(0.0, MOST_DROPPED)
        sizes = [made.demos, *(stream.randint(1, made.demos) for _ in range(count - 3))][: max(0, count - 2)]
        chosen = dict.fromkeys((stream.randrange(count), stream.randrange(count)) for _ in range(made.trials))
        tried = [Visit(0, range(_met(stream, share, seen)), f"{pair}") for pair in chosen if pair != (0, 0)]
        return Way(
            (Visit(0, setting.every), *tried),
            training=sum(_attempts(stream, size, trained) for size in sizes),
            proposals=stream.randint(fewest, most) + 3 * count * predictors,
        )

    return Loop((setting.start, _shown(setting, made.demos)), draw, LEARNED, trials=sys.maxsize)


def _gepa(made: Optimizer, setting: Setting) -> Loop:
    """Rounds of a few training cases each, until its own count of answers is reached; then the round still ends.

    Source: gepa 0.1.4, reflective_mutation.py: a round reads a minibatch, rewrites, tries the minibatch again, and
    what got better there races over the validation cases (`gepa_hooks`). A minibatch without a fault is not rewritten.
    """
    assert isinstance(made, Gepa)
    most, trained = made.passes * len(setting.every), len(examples(setting.task.train))
    seen = looks([case.cluster for case in setting.cases], made.rules.first_cases)

    def draw(stream: Random) -> Way:
        share = stream.uniform(0.0, MOST_DROPPED)
        faultless, better, new = stream.uniform(0.0, 0.5), stream.uniform(0.0, 0.7), stream.uniform(0.4, 1.0)
        answers, training, proposals = len(setting.every), 0, 0
        visits = [Visit(0, setting.every)]
        while answers < most:
            rewritten = stream.random() >= faultless
            answers += made.minibatch * (1 + rewritten)
            training += made.minibatch * (1 + rewritten)
            proposals += rewritten
            if rewritten and stream.random() < better:
                met = _met(stream, share, seen)
                answers += met
                visits.append(Visit(0, range(met), f"{proposals}"))
        # Minibatches come again, and so do instructions: then the question is known.
        most_new = trained * (1 + _different(stream, proposals))
        return Way(tuple(visits), min(round(training * new), most_new), proposals)

    return Loop((setting.start,), draw, REWRITTEN, trials=sys.maxsize)


def _copro(made: Optimizer, setting: Setting) -> Loop:
    """Every round tries its instructions for each predictor on all cases; only new ones are new questions.

    Source: dspy 3.4.1, copro_optimizer.py: a round asks once for each predictor and wants `breadth` completions,
    which some models answer one by one.
    """
    assert isinstance(made, Copro)
    predictors = len(setting.task.build(setting.start).module.predictors())
    wanted = made.breadth * made.depth - 1

    def draw(stream: Random) -> Way:
        different = _different(stream, wanted)
        visits = (Visit(0, setting.every, f"{number}") for number in range(different))
        proposals = predictors * stream.choice((made.depth, wanted))
        return Way((Visit(0, setting.every), *visits), proposals=proposals)

    return Loop((setting.start,), draw, REWRITTEN)


def _simba(made: Optimizer, setting: Setting) -> Loop:
    """Steps of a batch, sampled and then tried with new candidates; the last ones are tried on all its cases.

    Source: dspy 3.4.1, simba.py.
    """
    assert isinstance(made, Simba)
    trained = min(made.cases, len(examples(setting.task.train)))
    batch = min(made.batch, trained)

    def draw(stream: Random) -> Way:
        new = [stream.randint(0, made.candidates) for _ in range(made.steps)]
        training = batch * (made.candidates * made.steps + sum(new)) + trained * stream.randint(0, made.candidates + 1)
        known = stream.uniform(0.6, 1.0)  # batches come again, and the last candidates have met some of their cases
        improved = Visit(0, setting.every, "improved")
        return Way((improved,), round(training * known), proposals=stream.randint(0, sum(new)))

    # It begins without demos and adds them one by one.
    return Loop((_shown(setting, 1), setting.start), draw, REWRITTEN)


def _rules(made: Optimizer, setting: Setting) -> Loop:
    """Bootstrapped demos, then sets of rules for each predictor, each set tried on all cases.

    Source: dspy 3.4.1, infer_rules.py.
    """
    assert isinstance(made, InferredRules)
    predictors = len(setting.task.build(setting.start).module.predictors())
    trained = min(made.cases, len(examples(setting.task.train)))

    def draw(stream: Random) -> Way:
        different = _different(stream, made.candidates)
        visits = tuple(Visit(0, setting.every, f"{number}") for number in range(different))
        return Way(visits, _attempts(stream, made.demos, trained), proposals=made.candidates * predictors)

    return Loop((_shown(setting, made.demos),), draw, REWRITTEN)


def raced(way: Way, setting: Setting, stream: Random, share: float) -> Way:
    """The way in a race of which each look drops such a share."""
    seen = looks([case.cluster for case in setting.cases], Rules().first_cases)
    return way._replace(
        visits=tuple(one._replace(places=one.places[: _met(stream, share, seen)]) for one in way.visits)
    )


def _met(stream: Random, share: float, seen: Sequence[int]) -> int:
    """How many cases a candidate meets of which each look drops with this chance."""
    return seen[sum(takewhile(bool, (stream.random() >= share for _ in seen[1:])))]


def _different(stream: Random, written: int) -> int:
    """How many of so many texts are different: a model that writes tends to write anew, a weak one repeats itself."""
    return written if stream.random() < NEW or not written else stream.randint(1, written)


def _shown(setting: Setting, demos: int) -> AgentSpec:
    """The start with so many labelled demos, the same for each request."""
    return taught(setting.start, setting.task).model_copy(update={"demos": demos, "demo_choice": "fixed"})


def _attempts(stream: Random, wanted: int, trained: int) -> int:
    """Training cases until `wanted` are solved, by an agent of whom nothing is known: any share is as likely."""
    share, solved = stream.random(), 0
    for attempt in range(trained):
        if solved == wanted:
            return attempt
        solved += stream.random() < share
    return trained


LOOPS: Sequence[tuple[type[object], Callable[[Optimizer, Setting], Loop]]] = (
    (LabeledDemos, _labeled),
    (NearestDemos, _nearest),
    (BootstrappedDemos, _bootstrapped),
    (RetrievalSearch, _retrieval),
    (RandomSearch, _racing),
    (JointSearch, _joint),
    (FrugalSearch, _frugal),
    (Mipro, _mipro),
    (Gepa, _gepa),
    (Copro, _copro),
    (Simba, _simba),
    (InferredRules, _rules),
)
"""What is known of each kind of optimizer."""
