"""The optimizers by the names an experiment file uses, and which of them can work where."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from workbench.core import ConfigError, nearest
from workbench.lms import EMBEDDED, LMSpec
from workbench.optimize.blueprint import DEMO_SET, INSTRUCTIONS
from workbench.optimize.copro import Copro
from workbench.optimize.fewshot import BootstrappedDemos, LabeledDemos, NearestDemos
from workbench.optimize.frugal import FrugalSearch
from workbench.optimize.gepa import Gepa
from workbench.optimize.infer_rules import InferredRules
from workbench.optimize.joint import JointSearch
from workbench.optimize.mipro import Mipro
from workbench.optimize.portfolio import Portfolio
from workbench.optimize.random_search import RandomSearch
from workbench.optimize.retrieval_search import RETRIEVAL_SPACE, RetrievalSearch
from workbench.optimize.search import Optimizer
from workbench.optimize.simba import Simba
from workbench.optimize.space import Space


class Offer(NamedTuple):
    """An optimizer that can be named."""

    make: Callable[[Space], Optimizer]
    """Makes it for a space."""
    what: str
    """What it changes, in words."""
    needs_proposer: bool = False
    """True if it has a model write instructions."""
    asks: bool = True
    """False if it takes nothing from the budget."""
    races: bool = False
    """True if it drops candidates on the way through the validation cases."""


class Suitability(NamedTuple):
    """Whether an optimizer can work in an experiment."""

    name: str
    works: bool
    why: str
    """In words: what it will change, or what keeps it from that and what to do."""


JOINT = (INSTRUCTIONS, DEMO_SET)
"""What a space may name besides knobs; only `joint_search` and `frugal_search` know it."""


def _of_retrieval(name: str) -> bool:
    return name.startswith("index.")


def _retrieval(space: Space) -> Optimizer:
    named = {name: values for name, values in space.items() if _of_retrieval(name)}
    return RetrievalSearch(named or RETRIEVAL_SPACE)


def _random(space: Space) -> Optimizer:
    return RandomSearch({name: space[name] for name in space if not _of_retrieval(name) and name not in JOINT})


OPTIMIZERS: Mapping[str, Offer] = {
    "bootstrap_few_shot": Offer(lambda _space: BootstrappedDemos(), "demos that the agent itself solved"),
    "copro": Offer(lambda _space: Copro(), "instructions, from the scores of earlier ones", needs_proposer=True),
    "frugal_search": Offer(FrugalSearch, "configuration and program together, for quality alone, with few calls"),
    "gepa": Offer(lambda _space: Gepa(), "instructions, from what went wrong", needs_proposer=True, races=True),
    "infer_rules": Offer(
        lambda _space: InferredRules(), "demos, and rules read from solved cases", needs_proposer=True
    ),
    "joint_search": Offer(JointSearch, "configuration and program together, quality against cost and time"),
    "labeled_few_shot": Offer(lambda _space: LabeledDemos(), "demos, the same for every request"),
    "mipro": Offer(lambda _space: Mipro(), "instructions and demos together", needs_proposer=True, races=True),
    "nearest_demos": Offer(lambda _space: NearestDemos(), "demos, those most like each request"),
    "random_search": Offer(_random, "the knobs of the space", races=True),
    "simba": Offer(lambda _space: Simba(), "demos and rules, where answers vary", needs_proposer=True),
    "tune_retrieval": Offer(_retrieval, "the knobs of retrieval; no model is asked", asks=False),
}
"""`joint_search` and `frugal_search` search all of a space, `tune_retrieval` the knobs "index.…", `random_search` all
other knobs; the rest have none."""


def optimizer(name: str, space: Space) -> Optimizer:
    """The optimizer of that name, for a space.

    Raises: ConfigError for an unknown name, with the nearest known one.
    """
    return _offer(name).make(space)


def line_up(names: Sequence[str], space: Space, *, portfolio: bool) -> list[Optimizer]:
    """The optimizers of these names in the order of their work: one after the other, or as a portfolio.

    Those that take nothing from the budget come before a portfolio, so that all of it begins with what they find. In
    it nearest demos come first, for a small budget carries few: examples like the request help more than fixed ones.
    Source: Liu et al. 2022, What Makes Good In-Context Examples for GPT-3?
    Raises: ConfigError for an unknown name, with the nearest known one.
    """
    if not portfolio:
        return [optimizer(name, space) for name in names]
    asking = sorted((name for name in names if _offer(name).asks), key=lambda name: name != "nearest_demos")
    members = {name: optimizer(name, space) for name in asking}
    first = [optimizer(name, space) for name in names if not _offer(name).asks]
    return [*first, Portfolio(members)] if members else first


def suitability(names: Sequence[str], *, lm: LMSpec, proposer: LMSpec | None) -> tuple[Suitability, ...]:
    """For each optimizer, whether it can work with these models, and why.

    A base model continues text and writes no instructions, so with one as proposer none are attempted.
    Raises: ConfigError for an unknown name, with the nearest known one.

    >>> for found in suitability(["labeled_few_shot", "gepa"], lm=LMSpec(), proposer=None):
    ...     print(found.works, found.why)
    True changes demos, the same for every request
    False instructions are written by a model: no proposer is configured, so none are attempted; set optimize.proposer
    """
    return tuple(Suitability(name, *_verdict(_offer(name), lm, proposer)) for name in names)


def _verdict(offer: Offer, lm: LMSpec, proposer: LMSpec | None) -> tuple[bool, str]:
    if not offer.needs_proposer:
        return True, f"changes {offer.what}"
    if proposer is None:
        return False, (
            "instructions are written by a model: no proposer is configured, so none are attempted; "
            "set optimize.proposer"
        )
    if proposer.model == EMBEDDED:
        return False, (
            "a weak proposer: the embedded base model can't write instructions, so none are attempted; "
            "name another model in optimize.proposer"
        )
    weak = "; the embedded base model follows demos better than instructions" if lm.model == EMBEDDED else ""
    return True, f"changes {offer.what}, written by {proposer.model}{weak}"


def _offer(name: str) -> Offer:
    if name not in OPTIMIZERS:
        raise ConfigError(f"optimizer {name!r}: is unknown; {nearest(name, OPTIMIZERS)}")
    return OPTIMIZERS[name]
