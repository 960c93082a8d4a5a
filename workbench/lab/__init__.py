"""The lab: the only room that knows the whole way, from an experiment file to a package.

One function to call: `read_experiment(path)` checks a file; the functions of `stages`, `searching`, `deciding` and
`release` are the arrows of the way, and pipelines string them together. Each leaves a folder named by the digest of its
inputs, so an unchanged stage is found instead of made, and an interrupted one goes on.

Why digests and not timestamps: a stage is its inputs. Change the seed and everything after the data is
made anew; change a gate's rule and only the gate is. Why flat YAML: a lead reads it; the one path to code in it
is that of a scorer. Why names are imported when they are first asked for: what an experiment needs takes seconds to
import, and a command on an index needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOMES = {
    "bench": ("Bench",),
    "experiment": ("CHAMPION", "Data", "Experiment", "Search", "read_experiment"),
    "scoring": ("Scorer",),
    "workspace": ("Progress", "Quiet", "Workspace"),
}


def __getattr__(name: str) -> object:
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
