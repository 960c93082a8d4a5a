"""Optimizers: an agent in, a better agent out, within a hard budget and without a look at the test.

One function to call: `optimize(start, [optimizer, …], task)` gives an `Optimized` with the best complete trial
and every other one. Optimizers are named in `OPTIMIZERS`.

Why one search for all: every optimizer, dspy's and ours, tries its candidates through the same evaluator
on the same validation cases, so their scores are comparable, their calls are accounted, and one budget
stops them all. The start is a candidate too: a search that finds nothing better gives it back. Why the
retrieval knobs come first: which tool is first and when to abstain is decided before a model is asked, so
that search costs nothing.
"""

from workbench.optimize.copro import Copro
from workbench.optimize.fewshot import BootstrappedDemos, LabeledDemos, NearestDemos
from workbench.optimize.finalists import finalists, whole
from workbench.optimize.gepa import Gepa
from workbench.optimize.infer_rules import InferredRules
from workbench.optimize.mipro import Mipro
from workbench.optimize.portfolio import Portfolio
from workbench.optimize.random_search import RandomSearch
from workbench.optimize.registry import OPTIMIZERS, Offer, Suitability, optimizer, suitability
from workbench.optimize.retrieval_search import RetrievalSearch
from workbench.optimize.search import Optimized, Optimizer, Search, Task, Trial, optimize
from workbench.optimize.simba import Simba
from workbench.optimize.space import Space, changes, knobs, sample, vary

__all__ = [
    "OPTIMIZERS",
    "BootstrappedDemos",
    "Copro",
    "Gepa",
    "InferredRules",
    "LabeledDemos",
    "Mipro",
    "NearestDemos",
    "Offer",
    "Optimized",
    "Optimizer",
    "Portfolio",
    "RandomSearch",
    "RetrievalSearch",
    "Search",
    "Simba",
    "Space",
    "Suitability",
    "Task",
    "Trial",
    "changes",
    "finalists",
    "knobs",
    "optimize",
    "optimizer",
    "sample",
    "suitability",
    "vary",
    "whole",
]
