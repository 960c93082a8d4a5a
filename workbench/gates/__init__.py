"""May this agent ship? Rules over measured runs, decided with their uncertainty, in words.

One function to call: `check(rules, challenger=…, champion=…, seed=…)` gives a `Verdict`; `render_verdict` shows it.

Why built so: a gate that looks at bare averages promotes noise, because an optimizer returns the best of many.
So a threshold must lie outside the interval, a challenger must beat the champion in a paired test by cluster,
and claims made together are corrected together. What was not measured is UNMEASURED and what the data can't
tell is INCONCLUSIVE; only PASS is a pass. If nothing is better, nothing is promoted, and that is a good result.
"""

from workbench.gates.gate import check, holm, render_verdict
from workbench.gates.rule import Rule, check_names, describe

__all__ = ["Rule", "check", "check_names", "describe", "holm", "render_verdict"]
