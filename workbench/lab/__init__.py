"""The lab: the only room that knows the whole way, from an experiment file to a package.

One function to call: `read_experiment(path)` checks a file; the functions of `stages`, `searching`, `deciding` and
`release` are the arrows of the way, and pipelines string them together. Each leaves a folder named by the digest of its
inputs, so an unchanged stage is found instead of made, and an interrupted one goes on.

Why digests and not timestamps: a stage is its inputs. Change the seed and everything after the data is
made anew; change a gate's rule and only the gate is. Why flat YAML: a lead reads it; the one path to code in it
is that of a scorer.
"""

from workbench.lab.bench import Bench
from workbench.lab.experiment import CHAMPION, Data, Experiment, Search, read_experiment
from workbench.lab.scoring import Scorer
from workbench.lab.workspace import Progress, Quiet, Workspace

__all__ = [
    "CHAMPION",
    "Bench",
    "Data",
    "Experiment",
    "Progress",
    "Quiet",
    "Scorer",
    "Search",
    "Workspace",
    "read_experiment",
]
