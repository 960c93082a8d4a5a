"""A search is resumed without paying twice, shows its trials while it runs, and is made again from the store alone."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from rehearsal import TEXT, Rehearsal, bench_in

from workbench.core import Budget, CassetteMiss, ConfigError, DataError, Spend
from workbench.lab import Bench
from workbench.lab.planning import plan_search, render_plan
from workbench.lab.replaying import render_replayed, replay_search
from workbench.lab.searching import found, resume_search, run_search, with_earlier
from workbench.lab.trials import find_searches, render_search, searches
from workbench.lms import totals
from workbench.optimize import Optimized

SMALL = TEXT.replace("budget: {calls: 200, tokens: 900000}", "budget: {calls: 40}")


class Interrupted(Rehearsal):
    """Is interrupted after so many calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def _answer(self, prompt: str) -> str:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super()._answer(prompt)


@pytest.fixture
def fresh(cases: Path, tmp_path: Path) -> tuple[Bench, Rehearsal]:
    """A bench in an empty folder, and the model that counts what it was really asked."""
    model = Rehearsal()
    return bench_in(tmp_path, model, text=SMALL), model


@pytest.fixture(scope="session")
def ran(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a search was made: copied, never changed."""
    folder = tmp_path_factory.mktemp("ran")
    bench = bench_in(folder, Rehearsal(), text=SMALL)
    run_search(bench)
    bench.store.close()
    return folder


@pytest.fixture
def small(ran: Path, tmp_path: Path) -> tuple[Bench, Rehearsal]:
    """A bench where a search with forty calls was made and stopped; the model counts what it is asked from now on."""
    shutil.copytree(ran, tmp_path / "copy")
    model = Rehearsal()
    return bench_in(tmp_path / "copy", model, text=SMALL), model


def paid(bench: Bench) -> int:
    """Calls that were paid."""
    return totals(bench.store.frame()).calls


def facts(outcome: Optimized) -> list[tuple[str, int, float | None]]:
    return [(trial.agent_digest, trial.cases, trial.score) for trial in outcome.trials]


def test_a_search_touches_no_test_case(fresh: tuple[Bench, Rehearsal]) -> None:
    """Index, eval set and search, and nothing else, is made; only validation cases are in the ledger."""
    bench, _model = fresh
    folder = run_search(bench)
    cases = bench.evalset(next((bench.workspace.folder / "stages").glob("evalset-*")))
    made = {folder.name.rpartition("-")[0] for folder in (bench.workspace.folder / "stages").iterdir()}

    assert {"index", "evalset", "optimize"} == made
    assert {*bench.store.frame()["case_id"]} <= {case.case_id for case in cases.val}
    assert found(folder).best.complete


def test_a_raised_budget_goes_the_way_of_one_that_was_larger_from_the_beginning(
    small: tuple[Bench, Rehearsal], tmp_path: Path
) -> None:
    """The same trials and the same account; what the smaller budget paid for is not paid again."""
    bench, model = small
    before = paid(bench)
    assert found(run_search(bench)).stopped
    resumed = found(resume_search(bench, Budget(calls=200)))
    large = bench_in(tmp_path / "large", Rehearsal(), text=SMALL.replace("calls: 40", "calls: 200"))
    whole = found(run_search(large))

    assert facts(whole) == facts(resumed)
    assert (whole.spent.calls, whole.spent.tokens) == (resumed.spent.calls, resumed.spent.tokens)
    assert before + model.engine.calls == paid(bench) < before + whole.spent.calls
    assert bench.store.frame().filter(~bench.store.frame()["cached"])["key"].is_unique().all()


def test_a_budget_raised_in_the_file_is_charged_for_what_is_paid_already(small: tuple[Bench, Rehearsal]) -> None:
    """As when it is resumed: the account does not hang on the budget."""
    bench, model = small
    raised = bench_in(bench.workspace.folder.parent, model, text=SMALL.replace("calls: 40", "calls: 200"))
    outcome = found(run_search(raised))

    assert model.engine.calls < outcome.spent.calls
    assert ["search"] == sorted({run.partition("-")[0] for run in bench.store.frame()["run"]})
    assert 1 == len({one.begun.account for one in searches(bench.workspace.folder)})


@pytest.mark.parametrize("limit", [41, 45, 50, 55])
def test_an_account_never_pays_more_than_the_larger_budget(small: tuple[Bench, Rehearsal], limit: int) -> None:
    """Though with another budget a search goes another way; and what the smaller one found stands."""
    bench, model = small
    before = paid(bench)
    first = found(run_search(bench))
    second = found(resume_search(bench, Budget(calls=limit)))

    assert before + model.engine.calls <= limit
    assert (second.best.score or 0) >= (first.best.score or 0)
    assert second.best.number == second.trials.index(second.best)
    assert second.winner.program.digest == second.best.program_digest


def test_what_a_smaller_budget_found_is_added_only_if_it_is_better(small: tuple[Bench, Rehearsal]) -> None:
    """Its trial gets the next number."""
    bench, _model = small
    outcome = found(run_search(bench))
    start = outcome.trials[0]
    poor = outcome.model_copy(update={"best": start, "trials": (start,)})

    assert outcome == with_earlier(outcome, [outcome, poor])
    assert (1, outcome.best.agent_digest) == (
        (joined := with_earlier(poor, [outcome])).best.number,
        joined.trials[1].agent_digest,
    )


def test_an_interrupted_search_is_resumed_without_a_raised_limit(cases: Path, tmp_path: Path) -> None:
    """Its trials so far can be seen; then it ends as if nothing had been."""
    with pytest.raises(KeyboardInterrupt):
        run_search(bench_in(tmp_path, Interrupted(20), text=SMALL))
    bench, model = bench_in(tmp_path, Rehearsal(), text=SMALL), Rehearsal()
    (seen,) = searches(bench.workspace.folder)
    resumed = found(resume_search(bench_in(tmp_path, model, text=SMALL), Budget()))
    undisturbed = found(run_search(bench_in(tmp_path / "alone", Rehearsal(), text=SMALL)))

    assert (None, ["start"]) == (seen.outcome, [trial.origin for trial in seen.trials])
    assert "it runs, or was interrupted: what it paid for is kept" in render_search(seen)
    assert facts(undisturbed) == facts(resumed)
    assert undisturbed.spent.calls == paid(bench) <= 40


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (Budget(calls=30), r"budget 'calls': is 40 already, so 30 would lower it"),
        (Budget(usd=1.0), r"budget 'usd': has no limit, so 1 would lower it"),
        (Budget(), r"is over: budget: had no room for .* with --calls"),
    ],
    ids=("lower", "a new limit", "nothing"),
)
def test_a_budget_is_only_raised(small: tuple[Bench, Rehearsal], raised: Budget, message: str) -> None:
    """And a search that is over is not resumed with nothing more."""
    bench, _model = small
    run_search(bench)
    with pytest.raises(ConfigError, match=message):
        resume_search(bench, raised)


def test_what_was_never_begun_can_be_neither_resumed_nor_replayed(fresh: tuple[Bench, Rehearsal]) -> None:
    """With what to type."""
    bench, _model = fresh
    with pytest.raises(ConfigError, match=r"has no search in .*; begin one with: workbench optimize run"):
        resume_search(bench, Budget(calls=100))
    with pytest.raises(ConfigError, match="has no search that is done; run or resume it first"):
        replay_search(bench)
    with pytest.raises(DataError, match="holds no search; type: workbench optimize run"):
        find_searches(bench.workspace.folder, None)


@pytest.mark.parametrize("limit", [None, 50, 200], ids=("as run", "resumed a little", "resumed to the end"))
def test_a_replay_ends_at_the_recorded_winner_and_asks_nobody(
    small: tuple[Bench, Rehearsal], limit: int | None
) -> None:
    """Trial by trial; the workspace's own store stays as it was."""
    bench, model = small
    run_search(bench)
    if limit is not None:
        resume_search(bench, Budget(calls=limit))
    before, asked = bench.store.frame(), model.engine.calls
    replayed = replay_search(bench)

    assert (True, (), asked) == (replayed.same, replayed.differences, model.engine.calls)
    assert replayed.recorded == replayed.replayed
    assert before.equals(bench.store.frame())
    assert f"the same winner {replayed.recorded[:12]}, no model asked" in render_replayed(replayed)


def test_a_replay_names_the_question_that_was_never_answered(small: tuple[Bench, Rehearsal]) -> None:
    """Its case, candidate and module: an evaluation would count it as a failure of the machinery and go on."""
    bench, _model = small
    run_search(bench)
    with sqlite3.connect(bench.workspace.calls) as db:
        key, case = db.execute("SELECT key, case_id FROM ledger ORDER BY seq LIMIT 1").fetchone()
        db.execute("DELETE FROM answers WHERE key = ?", (key,))
        db.execute("DELETE FROM ledger WHERE key = ?", (key,))
    with pytest.raises(CassetteMiss, match=f"case '{case}', candidate '[0-9a-f]+', module 'fill': asks what was never"):
        replay_search(bench)


def test_a_replay_says_what_differs(small: tuple[Bench, Rehearsal]) -> None:
    """Other answers in the store, to what was asked of the winner last, lead to another winner."""
    bench, _model = small
    best = found(run_search(bench)).best
    with sqlite3.connect(bench.workspace.calls) as db:
        text = db.execute("SELECT response FROM answers ORDER BY length(response) DESC LIMIT 1").fetchone()[0]
        asked = "SELECT key FROM ledger WHERE candidate = ? ORDER BY seq DESC LIMIT 8"
        db.execute(f"UPDATE answers SET response = ? WHERE key IN ({asked})", (text, best.agent_digest[:12]))
    replayed = replay_search(bench)

    assert not replayed.same
    assert replayed.differences[0].startswith("winner: ")
    assert "is not as recorded" in render_replayed(replayed)


def test_a_plan_spends_nothing_and_the_search_keeps_to_it(fresh: tuple[Bench, Rehearsal]) -> None:
    """No model is even connected; afterwards it says what is paid already."""
    bench, model = fresh
    plan = plan_search(bench)
    lines = [line.name for line in plan.lines if line.cost is not None]

    assert (0, False) == (model.engine.calls, bench.workspace.calls.exists())
    assert ["start", "tune_retrieval", "random_search"] == lines
    assert (Spend(), {"calls"}) == (plan.paid, set(plan.stops))
    spent = found(run_search(bench)).spent
    assert plan.total.calls.low <= spent.calls <= plan.total.calls.high
    assert f"paid already: {spent.calls} calls" in render_plan(plan_search(bench))


def test_a_plan_says_which_optimizers_can_work_and_why(fresh: tuple[Bench, Rehearsal]) -> None:
    """Those that are not part of the search, too."""
    bench, _model = fresh
    plan = plan_search(bench)
    lines = {line.name: line for line in plan.lines}

    assert (True, False) == (lines["nearest_demos"].works, lines["gepa"].works)
    assert "no proposer is configured" in lines["gepa"].why
    assert "  gepa: no; instructions are written by a model" in render_plan(plan)


def test_who_is_alive_in_a_race_can_be_seen_while_it_runs(cases: Path, tmp_path: Path) -> None:
    """Also from another process, and what the word for a drop stands for; a search that begins again forgets it."""
    with pytest.raises(KeyboardInterrupt):
        run_search(bench_in(tmp_path, Interrupted(45), text=TEXT))
    (seen,) = searches(tmp_path / "work")
    assert seen.race is not None
    alive = seen.race.alive
    shown = render_search(seen)

    assert 0 < len(alive) <= seen.race.entrants
    assert f"{len(alive)} of {seen.race.entrants} alive after {seen.race.cases} of 12 cases" in shown
    assert all(one.candidate[:12] in shown for one in alive)
    assert bool(seen.race.dropped) == ("alpha does not cover" in shown)
    begun = searches(run_search(bench_in(tmp_path, Rehearsal(), text=TEXT)).parents[1])[-1]
    assert "race: " not in render_search(begun)
