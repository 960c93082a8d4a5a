"""What MLflow is told of an execution and its candidates: while the search runs, and when it has ended."""

from difflib import unified_diff
from pathlib import Path

import polars as pl

from workbench.agents import Agent, prompt_template
from workbench.core import Usage, short
from workbench.lab.bench import Bench
from workbench.lms import totals
from workbench.optimize import Optimized, Trial, knobs
from workbench.tracking import ExperimentLog, RunLog, describe_data


def experiment_log(bench: Bench, evalset: Path) -> ExperimentLog:
    """The execution that everything is logged inside."""
    experiment = bench.experiment
    excluded = {"name", "question", "seed", "lm", "agent"}
    return ExperimentLog(
        name=experiment.name,
        question=experiment.question,
        seed=experiment.seed,
        lm=experiment.lm.model,
        params=experiment.model_dump(mode="json", exclude=excluded),
        data=describe_data(bench.evalset(evalset)),
    )


def describe_candidate(agent: Agent, start: str) -> RunLog:
    """A candidate of which only its prompt is known, and how that differs from the one that the search began with."""
    prompt = prompt_template(agent)
    return RunLog(
        name=f"candidate {short(agent.digest)}",
        role="candidate",
        agent_digest=agent.digest,
        params=knobs(agent.spec),
        texts={"prompt.txt": prompt, "prompt.diff": _differ(start, prompt)},
    )


def with_trial(log: RunLog, trial: Trial, usage: Usage | None = None) -> RunLog:
    """The candidate with what a trial found, and what it cost by the ledger once that is added up."""
    state = "dropped" if trial.dropped is not None else "complete" if trial.complete else "cut"
    tags = {
        "trial": f"{trial.number}",
        "origin": trial.origin,
        "changes": ", ".join(f"{name} {how}" for name, how in trial.changes.items()),
        "state": state,
        **({} if trial.dropped is None else {"dropped": trial.dropped.reason}),
    }
    return log.model_copy(update={"reports": (trial.report,), "usage": usage, "tags": tags})


def candidate_logs(bench: Bench, indexes: Path, optimized: Optimized, calls: pl.DataFrame) -> tuple[RunLog, ...]:
    """Each candidate of a search that has ended, with its last trial; `calls` are the search's rows of the ledger."""
    last = {trial.agent_digest: trial for trial in optimized.trials}
    agents = {digest: bench.agent(optimized.spec(trial), indexes) for digest, trial in last.items()}
    start = prompt_template(agents[optimized.trials[0].agent_digest])
    return tuple(
        with_trial(
            describe_candidate(agents[digest], start),
            trial,
            ledger_usage(calls.filter(pl.col("candidate") == short(digest))),
        )
        for digest, trial in last.items()
    )


def ledger_usage(calls: pl.DataFrame) -> Usage:
    """What calls of models cost, from the ledger."""
    calls = calls.filter(pl.col("kind") == "lm")
    paid, saved = calls.filter(~pl.col("cached")), calls.filter(pl.col("cached"))
    spend = totals(calls)
    return Usage(
        calls=paid.height,
        cached_calls=saved.height,
        prompt_tokens=sum(paid["prompt_tokens"]),
        completion_tokens=sum(paid["completion_tokens"]),
        saved_tokens=sum(saved["prompt_tokens"]) + sum(saved["completion_tokens"]),
        usd=spend.usd,
        milliseconds=spend.seconds * 1000,
        model_milliseconds=sum(calls["milliseconds"]),
    )


def _differ(start: str, prompt: str) -> str:
    """One prompt against another, line by line; empty if they are the same."""
    return "\n".join(unified_diff(start.splitlines(), prompt.splitlines(), "start", "candidate", lineterm="", n=2))
