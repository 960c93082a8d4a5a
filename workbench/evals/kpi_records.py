"""KPIs that records of use tell: releases, incidents, usage and ratings."""

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np

from workbench.evals.interval import codes
from workbench.evals.kpi_evidence import Evidence
from workbench.evals.kpi_ratio import rate_interval
from workbench.evals.kpi_trials import ALPHA, Measured, share

REQUESTS = 1000
"""Incidents are counted for so many requests."""
DAYS = 28
"""Teams are counted for so many days: four whole weeks."""
SATISFIED = 4
"""Stars from which on a person counts as satisfied."""


def _unkept(records: str) -> Measured:
    return Measured(None, reason=f"nothing is recorded of {records}: {records}.jsonl is not there")


def _incident_rate(evidence: Evidence) -> Measured:
    if evidence.incidents is None:
        return _unkept("incidents")
    if evidence.usage is None:
        return _unkept("usage")
    requests = sum(event.kind == "request" for event in evidence.usage)
    if not requests:
        return Measured(None, reason="no request was made, so nothing could go wrong")
    count = len({incident.incident for incident in evidence.incidents})
    low, high = rate_interval(count, requests / REQUESTS, ALPHA)
    return Measured(count * REQUESTS / requests, low, high, requests, requests)


def _change_failure_rate(evidence: Evidence) -> Measured:
    if evidence.releases is None:
        return _unkept("releases")
    blamed = {incident.release for incident in evidence.incidents or ()}
    failed = [True if release.release in blamed else release.failed for release in evidence.releases]
    known = np.array([outcome for outcome in failed if outcome is not None], dtype=np.float64)
    gaps = failed.count(None)
    if not len(known):
        return Measured(None, gaps=gaps, reason="of no release is it known whether it failed")
    return share(known, np.arange(len(known)), gaps, "it is not known yet whether they failed")


def _active_users(evidence: Evidence) -> Measured:
    if evidence.usage is None:
        return _unkept("usage")
    requests = [event for event in evidence.usage if event.kind == "request"]
    named = [event.user for event in requests if event.user]
    if requests and not named:
        return Measured(None, gaps=len(requests), reason="no request says who made it")
    gaps = len(requests) - len(named)
    return Measured(len(set(named)), n=len(named), clusters=len(set(named)), gaps=gaps, reason=_anonymous(gaps))


def _anonymous(gaps: int) -> str:
    return "do not say who made them" if gaps else ""


def _enabled_teams(evidence: Evidence) -> Measured:
    if evidence.usage is None:
        return _unkept("usage")
    teams = _teams(evidence)
    return Measured(len(teams), n=len(teams), clusters=len(teams))


def _enablement(evidence: Evidence) -> Measured:
    if evidence.usage is None:
        return _unkept("usage")
    times = [event.at for event in evidence.usage]
    begins, ends = evidence.since or _edge(times, min), evidence.until or _edge(times, max)
    if begins is None or ends is None or ends <= begins:
        return Measured(None, reason="no time passed between the records; name a window with since and until")
    teams, exposure = len(_teams(evidence)), (ends - begins).total_seconds() / (DAYS * 86_400)
    low, high = rate_interval(teams, exposure, ALPHA)
    return Measured(teams / exposure, low, high, teams, teams)


def _teams(evidence: Evidence) -> set[str]:
    return {event.team for event in evidence.usage or () if event.kind == "enabled" and event.team}


def _edge(times: Sequence[datetime], of: Callable[[Sequence[datetime]], datetime]) -> datetime | None:
    return of(times) if times else None


def _satisfaction(evidence: Evidence) -> Measured:
    if evidence.ratings is None:
        return _unkept("ratings")
    rated = [(rating.rater, rating.stars) for rating in evidence.ratings if rating.stars is not None]
    if not rated:
        return Measured(None, reason="no rating has stars")
    satisfied = np.array([stars >= SATISFIED for _, stars in rated], dtype=np.float64)
    return share(satisfied, codes([rater for rater, _ in rated]))


RECORDED: dict[str, Callable[[Evidence], Measured]] = {
    "incident_rate": _incident_rate,
    "change_failure_rate": _change_failure_rate,
    "active_users": _active_users,
    "enabled_teams": _enabled_teams,
    "satisfaction": _satisfaction,
    "enablement_throughput": _enablement,
}
"""A formula for each KPI that records of use tell."""
