"""How a race stands, for whoever watches it."""

from collections.abc import Sequence

from pydantic import Field

from workbench.core import Record, short
from workbench.optimize.racing import Elimination, Runner
from workbench.optimize.trial import Trial


class Alive(Record):
    """A candidate that is still in a race."""

    candidate: str
    """Digest of the agent."""
    score: float
    """Mean over the cases that it has met."""
    changes: dict[str, str]
    """Each knob that differs from the agent the search began with: old → new."""


class Standing(Record):
    """A race after a look."""

    origin: str
    entrants: int
    cases: int = Field(ge=1)
    """How many all of them have met."""
    of: int = Field(ge=1)
    """Validation cases."""
    alive: tuple[Alive, ...]
    """The best first; ties go to fewer tokens."""
    arrived: int
    """Candidates that have met every case."""
    dropped: tuple[Elimination, ...]
    """In order."""


def stand(
    trials: Sequence[Trial],
    entrants: Sequence[str],
    alive: Sequence[tuple[Runner, dict[str, str]]],
    origin: str,
    of: int,
) -> Standing:
    """How a race of these entrants, by digest, stands: those alive, best first, with what is changed in each."""
    ended = [trial for trial in trials if trial.agent_digest in entrants]
    return Standing(
        origin=origin,
        entrants=len(entrants),
        cases=max((len(one.scores) for one, _ in alive), default=of),
        of=of,
        alive=tuple(Alive(candidate=one.name, score=one.mean, changes=changed) for one, changed in alive),
        arrived=sum(trial.complete for trial in ended),
        dropped=tuple(trial.dropped for trial in ended if trial.dropped is not None),
    )


def render_standing(standing: Standing) -> str:
    """One line: who is alive, and with what score. Why the others were dropped stands at their trials.

    >>> one = Alive(candidate="1a2b3c4d5e6f7a8b", score=0.75, changes={"demos": "0 → 4"})
    >>> found = Standing(origin="random_search", entrants=3, cases=9, of=30, alive=(one,), arrived=0, dropped=())
    >>> render_standing(found)
    'random_search: 1 of 3 alive after 9 of 30 cases, 0 dropped: 1a2b3c4d5e6f 0.750 (demos 0 → 4)'
    """
    alive = "; ".join(
        f"{short(one.candidate)} {one.score:.3f} ({', '.join(f'{name} {how}' for name, how in one.changes.items())})"
        for one in standing.alive
    )
    return "".join(
        (
            f"{standing.origin}: {len(standing.alive)} of {standing.entrants} alive after {standing.cases} of "
            f"{standing.of} cases, {len(standing.dropped)} dropped",
            f", {standing.arrived} arrived" if standing.arrived else "",
            f": {alive}" if alive else "",
        )
    )
