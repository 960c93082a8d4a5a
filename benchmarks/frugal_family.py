"""A task family in which instructions and demos truly matter, so that every optimizer has something to find.

A part of `benchmarks.frugality`. A prompt's effect is a sum:

- of its demos: a gain that saturates, 63 % of it with two, 86 % with four; and how well the chosen ones fit, where each
  training case has a worth of its own, and a set has the sum of its cases' worths over the root of their number. So
  sets of any size differ as much, and sets that overlap are alike;
- of its instructions: each rewriting adds a draw of its own to what it was shown, so a search that rewrites its best
  text climbs.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from benchmarks.simulated_task import Family, Shown, asked_field
from workbench.core import stream

RATE = 0.55
"""The start solves so many."""
WORST, BEST = -0.45, 0.4
"""Effects end there, so that no chance leaves [0, 1]."""
TEXT = "Call the tool in manner {marks}; copy the code."
_MARKS = re.compile(r"in manner ([0-9a-f]{8}(?:-[0-9a-f]{8})*);")
_CODE = re.compile(r"Look up code (\w+) for me\.")


@dataclass(frozen=True)
class Kind:
    """What matters in a member of the family; shares of 1, so 0.04 are four points."""

    name: str
    gain: float
    """Of demos, when there are many."""
    sets: float
    """Standard deviation of what a set of demos adds."""
    texts: float
    """Standard deviation of what a rewriting of the instructions adds; its mean is 0."""

    def of(self, seed: int) -> Family:
        """The member in one drawn world: what each training case and each text is worth there."""

        def effect(shown: Shown) -> float:
            codes, marks = _CODE.findall(shown.text), _MARKS.findall(shown.instructions)
            total = math.fsum(self.texts * _normal(seed, "text", mark) for text in marks for mark in text.split("-"))
            if codes:
                fit = math.fsum(_normal(seed, "demo", code) for code in codes) / math.sqrt(len(codes))
                total += self.gain * (1 - math.exp(-len(codes) / 2)) + self.sets * fit
            return min(max(total, WORST), BEST)

        return Family(self.name, effect, rate=RATE)


KINDS = (
    Kind("instructions", gain=0.03, sets=0.01, texts=0.05),
    Kind("demos", gain=0.12, sets=0.05, texts=0.01),
    Kind("both", gain=0.08, sets=0.04, texts=0.04),
)


def reviser(seed: int) -> Callable[[str], str]:
    """A model that rewrites instructions: it keeps what the newest ones it is shown say, and adds something of its own.

    It answers in the form it is asked for: a JSON object with one field, or plain text.
    """
    asked = count()

    def write(prompt: str) -> str:
        shown = _MARKS.findall(prompt)
        mark = f"{stream(seed, 'advice', str(next(asked))).getrandbits(32):08x}"
        return asked_field(prompt, TEXT.format(marks=f"{shown[-1]}-{mark}" if shown else mark))

    return write


def _normal(seed: int, *names: str) -> float:
    return stream(seed, *names).gauss(0, 1)
