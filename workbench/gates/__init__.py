"""May this agent ship? Rules over measured runs, decided with their uncertainty, in words.

One function to call: `check(rules, challenger=…, champion=…, seed=…)` gives a `Verdict`; `render_verdict` shows it.
`weakened(agreed, now)` says what makes a gate weaker than what people agreed to, `contradictions` where a verdict does
not follow from its evidence. `batches` says on which cases to try a challenger whose evaluation may stop early, `ends`
when it may.

Why built so: a gate that looks at bare averages promotes noise, because an optimizer returns the best of many.
So a threshold must lie outside the interval, a challenger must beat the champion in a paired test by cluster,
and claims made together are corrected together. What was not measured is UNMEASURED and what the data can't
tell is INCONCLUSIVE; only PASS is a pass. If nothing is better, nothing is promoted, and that is a good result.
"""

from workbench.gates.early import Early, batches, check_looks, ends, look, may_stop
from workbench.gates.evidence import Match
from workbench.gates.family import holm
from workbench.gates.gate import check, on_test, render_verdict
from workbench.gates.guard import Alarm, Ground, Pact, make_pact, render_alarms, weakened
from workbench.gates.rule import Looks, Rule, check_names, describe
from workbench.gates.sequential import Decision, Plan, decide, draw_order, match_fixed
from workbench.gates.sequential_bounds import Design
from workbench.gates.waiver import Terms, check_waivers
from workbench.gates.witness import Presented, contradictions

__all__ = [
    "Alarm",
    "Decision",
    "Design",
    "Early",
    "Ground",
    "Looks",
    "Match",
    "Pact",
    "Plan",
    "Presented",
    "Rule",
    "Terms",
    "batches",
    "check",
    "check_looks",
    "check_names",
    "check_waivers",
    "contradictions",
    "decide",
    "describe",
    "draw_order",
    "ends",
    "holm",
    "look",
    "make_pact",
    "match_fixed",
    "may_stop",
    "on_test",
    "render_alarms",
    "render_verdict",
    "weakened",
]
