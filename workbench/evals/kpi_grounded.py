"""The share of answers that their sources do not bear out, corrected for the errors of the judge that counted them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from workbench.evals.corrected import calibrate, corrected_rate
from workbench.evals.kpi_evidence import Rating
from workbench.evals.kpi_trials import ALPHA, Measured, Trials

GROUNDED = ("groundedness", "grounded", "attributable")
"""Metrics by which a judge says whether an answer is borne out, in [0, 1]; the first that was measured counts."""
BORNE_OUT = 0.5
"""A judge that says less flags the answer."""


def ungrounded(trials: Trials, ratings: Sequence[Rating] | None) -> Measured:
    """What a judge flagged, as people would have found it; unmeasured without answers that both looked at."""
    name = trials.first(GROUNDED)
    if name is None:
        return Measured(None, reason=f"no run has a judge that tells it: {', '.join(GROUNDED)}")
    graded = trials.graded(name)
    scored, gaps = np.flatnonzero(graded.scored), int(graded.gaps.sum())
    if not len(scored):
        return Measured(None, gaps=gaps, reason=f"{name}: {graded.reason}")
    flagged = {int(place): bool(graded.values[place] < BORNE_OUT) for place in scored}
    clusters = {place: str(trials.clusters[place]) for place in flagged}
    labels = {place: faulty for place, faulty in _labels(trials, ratings or ()).items() if place in flagged}
    if not labels:
        reason = f"{name}: no person labelled an answer that it judged, so its errors are not known"
        return Measured(None, gaps=len(flagged) + gaps, reason=reason)
    truth, judged = list(labels.values()), [flagged[place] for place in labels]
    calibration = calibrate(truth, judged, [clusters[place] for place in labels])
    rate = corrected_rate([*flagged.values()], calibration, clusters=[*clusters.values()], alpha=ALPHA)
    if rate.estimate is None:
        return Measured(None, gaps=len(flagged) + gaps, reason=rate.reason)
    reason = graded.reason if gaps else ""
    return Measured(rate.estimate, rate.low, rate.high, len(flagged), len({*clusters.values()}), gaps, reason)


def _labels(trials: Trials, ratings: Sequence[Rating]) -> dict[int, bool]:
    """For each answer that people agree on, more of them one way than the other, whether it is faulty."""
    places: defaultdict[tuple[str, str, int], list[int]] = defaultdict(list)
    agents = (run.header.agent_digest for run in trials.runs for _ in run.episodes)
    for place, (agent, episode) in enumerate(zip(agents, trials.episodes, strict=True)):
        places[agent, episode.case_id, episode.repeat].append(place)
    votes: defaultdict[int, int] = defaultdict(int)
    for rating in ratings:
        found = places.get((rating.agent_digest, rating.case_id, rating.repeat), [])
        if rating.grounded is not None and len(found) == 1:  # else nobody knows which answer was meant
            votes[found[0]] += -1 if rating.grounded else 1
    return {place: vote > 0 for place, vote in sorted(votes.items()) if vote}
