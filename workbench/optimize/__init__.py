"""Optimizers: an agent in, a better agent out, within a hard budget and without a look at the test.

One function to call: `optimize(start, [optimizer, …], task)` gives an `Optimized` with the best complete trial
and every other one. Optimizers are named in `OPTIMIZERS`, and `line_up` makes them, in order or as a portfolio. Around
it: `foresee` says before what a search will take, `pareto_front` and `explain_win` say after it what was found and
why, `finalists` who goes to held-out cases.

Why one search for all: every optimizer, dspy's and ours, tries its candidates through the same evaluator
on the same validation cases, so their scores are comparable, their calls are accounted, and one budget
stops them all. The start is a candidate too: a search that finds nothing better gives it back. Why the
retrieval knobs come first: which tool is first and when to abstain is decided before a model is asked, so
that search costs nothing. Why candidates race: most can't win, and a few cases show it; what is saved goes to those
that can. Why dspy's loops run inside `foreign.py`: they swallow refused calls and count an outage as a wrong answer,
print as they go, and lose everything when they are cut; there they end at the first call that can't be made, in
silence, and their best so far is tried from answers that are paid.
"""

from workbench.optimize.copro import Copro
from workbench.optimize.explain import Explanation, explain_win, render_explanation
from workbench.optimize.fewshot import BootstrappedDemos, LabeledDemos, NearestDemos
from workbench.optimize.finalists import finalists
from workbench.optimize.forecast import Cost, Course, Forecast, Kept, Span, foresee, update
from workbench.optimize.front import Front, hypervolume, pareto_front, render_front
from workbench.optimize.frugal import FrugalSearch
from workbench.optimize.gepa import Gepa
from workbench.optimize.gepa_hooks import RacingAcceptance
from workbench.optimize.index_space import index_space
from workbench.optimize.index_tuning import tune_folder, tune_live
from workbench.optimize.infer_rules import InferredRules
from workbench.optimize.joint import JointSearch
from workbench.optimize.judged_scores import HeldOut, contrast
from workbench.optimize.loop import Setting
from workbench.optimize.mipro import Mipro
from workbench.optimize.mipro_hooks import RacingMetric
from workbench.optimize.portfolio import Portfolio
from workbench.optimize.racing import ERRORS, Elimination, Race, Rules, Runner, arrange, looks
from workbench.optimize.random_search import RandomSearch
from workbench.optimize.rank_training import Growth
from workbench.optimize.registry import JOINT, OPTIMIZERS, Offer, Suitability, line_up, optimizer, suitability
from workbench.optimize.relay import optimize
from workbench.optimize.retrieval_search import RetrievalSearch
from workbench.optimize.retrieval_tuning import Tuned, TuneRequest, render_tuned, tune_index
from workbench.optimize.reviewed_queries import judge_reviewed
from workbench.optimize.search import Optimizer, Search, Task
from workbench.optimize.simba import Simba
from workbench.optimize.space import Space, changes, knobs, sample, vary
from workbench.optimize.standing import Alive, Standing, render_standing
from workbench.optimize.trial import START, Optimized, Trial, ranked
from workbench.optimize.ways import PORTFOLIO
from workbench.optimize.weighing import mute_agent

__all__ = [
    "ERRORS",
    "JOINT",
    "OPTIMIZERS",
    "PORTFOLIO",
    "START",
    "Alive",
    "BootstrappedDemos",
    "Copro",
    "Cost",
    "Course",
    "Elimination",
    "Explanation",
    "Forecast",
    "Front",
    "FrugalSearch",
    "Gepa",
    "Growth",
    "HeldOut",
    "InferredRules",
    "JointSearch",
    "Kept",
    "LabeledDemos",
    "Mipro",
    "NearestDemos",
    "Offer",
    "Optimized",
    "Optimizer",
    "Portfolio",
    "Race",
    "RacingAcceptance",
    "RacingMetric",
    "RandomSearch",
    "RetrievalSearch",
    "Rules",
    "Runner",
    "Search",
    "Setting",
    "Simba",
    "Space",
    "Span",
    "Standing",
    "Suitability",
    "Task",
    "Trial",
    "TuneRequest",
    "Tuned",
    "arrange",
    "changes",
    "contrast",
    "explain_win",
    "finalists",
    "foresee",
    "hypervolume",
    "index_space",
    "judge_reviewed",
    "knobs",
    "line_up",
    "looks",
    "mute_agent",
    "optimize",
    "optimizer",
    "pareto_front",
    "ranked",
    "render_explanation",
    "render_front",
    "render_standing",
    "render_tuned",
    "sample",
    "suitability",
    "tune_folder",
    "tune_index",
    "tune_live",
    "update",
    "vary",
]
