"""The optimizers by the names an experiment file uses."""

from collections.abc import Callable, Mapping

from workbench.core import ConfigError, nearest
from workbench.optimize.fewshot import BootstrappedDemos, LabeledDemos, NearestDemos
from workbench.optimize.mipro import Mipro
from workbench.optimize.random_search import RandomSearch
from workbench.optimize.retrieval_search import RETRIEVAL_SPACE, RetrievalSearch
from workbench.optimize.search import Optimizer
from workbench.optimize.space import Space


def _of_retrieval(name: str) -> bool:
    return name.startswith("index.")


def _retrieval(space: Space) -> Optimizer:
    named = {name: values for name, values in space.items() if _of_retrieval(name)}
    return RetrievalSearch(named or RETRIEVAL_SPACE)


def _random(space: Space) -> Optimizer:
    return RandomSearch({name: values for name, values in space.items() if not _of_retrieval(name)})


OPTIMIZERS: Mapping[str, Callable[[Space], Optimizer]] = {
    "bootstrap_few_shot": lambda _space: BootstrappedDemos(),
    "labeled_few_shot": lambda _space: LabeledDemos(),
    "mipro": lambda _space: Mipro(),
    "nearest_demos": lambda _space: NearestDemos(),
    "random_search": _random,
    "tune_retrieval": _retrieval,
}
"""Each makes an optimizer for a space. `tune_retrieval` searches the knobs "index.…",
`random_search` all the others; the rest have no knobs."""


def optimizer(name: str, space: Space) -> Optimizer:
    """The optimizer of that name, for a space.

    Raises: ConfigError for an unknown name, with the nearest known one.
    """
    if name not in OPTIMIZERS:
        raise ConfigError(f"optimizer {name!r}: is unknown; {nearest(name, OPTIMIZERS)}")
    return OPTIMIZERS[name](space)
