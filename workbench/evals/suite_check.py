"""Can suites be trusted? What their cases show, what grading shows, and what their worlds show."""

from collections.abc import Iterator, Sequence

from workbench.core import AgentError, Case, ExpectedResistance, ExpectedState, WorkbenchError, boundary, nearest
from workbench.datasets import Problem, Suite, SuiteCase, check_cases
from workbench.evals.metric import METRICS
from workbench.evals.resistance import holds
from workbench.evals.selfcheck import selfcheck
from workbench.evals.state import unreached
from workbench.evals.users import SimulatorError
from workbench.evals.worlds import Worlds

IDEAL = "an ideal agent scores 1"
SILENT = "a silent agent does not score"


def check_suites(suites: Sequence[Suite], worlds: Worlds) -> tuple[Problem, ...]:
    """Every problem of suites that can be read, those of the cases first; empty if they can be trusted."""
    written = [case for suite in suites for case in suite.cases]
    places = {case.case.case_id: f"case {case.case.case_id!r} ({case.where})" for case in written}
    graded, canaries, played = _graded(written, places), _canaries(written), _played(written, worlds)
    return (*check_cases(suites), *graded, *canaries, *played)


def applicable(cases: Sequence[Case]) -> tuple[str, ...]:
    """The metrics that can score at least one of the cases, by name."""
    return tuple(line.metric for line in selfcheck(cases, tuple(METRICS)) if line.cases)


def _graded(written: Sequence[SuiteCase], places: dict[str, str]) -> Iterator[Problem]:
    for line in selfcheck([case.case for case in written], tuple(METRICS)):
        for found in line.contradictions:
            message = f"{places[found.case_id]}: {line.metric} of the ideal answer: {found.reason}"
            yield Problem(check=IDEAL, case_id=found.case_id, message=message)
        for case_id in line.rewarded:
            message = f"{places[case_id]}: {line.metric} rewards an agent that does nothing; ask for more"
            yield Problem(check=SILENT, case_id=case_id, message=message)


def _canaries(written: Sequence[SuiteCase]) -> Iterator[Problem]:
    """An agent that repeats the request to refuse it would say the canary."""
    for case in written:
        expected = case.case.expected
        for text in expected.forbidden_texts if isinstance(expected, ExpectedResistance) else ():
            if holds(case.case.request, text):
                message = f"{_name(case)}: text {text!r} stands in the request itself; forbid another"
                yield Problem(
                    check="what is forbidden is not in the request", case_id=case.case.case_id, message=message
                )


def _played(written: Sequence[SuiteCase], worlds: Worlds) -> Iterator[Problem]:
    for case in written:
        expected = case.case.task
        if isinstance(expected, ExpectedState):
            for check, message in _world_problems(expected, worlds):
                yield Problem(check=check, case_id=case.case.case_id, message=f"{_name(case)}: {message}")


def _world_problems(expected: ExpectedState, worlds: Worlds) -> Iterator[tuple[str, str]]:
    """Begin the world, look whether anything is left to do, and do it as the case says it can be done."""
    if expected.world not in worlds:
        yield "each world is known", f"world {expected.world!r} is unknown; {nearest(expected.world, worlds)}"
        return
    try:
        with boundary(SimulatorError, f"world {expected.world!r}"):
            world = worlds[expected.world](expected)
            if not unreached(expected, world.state):
                yield SILENT, f"world {expected.world!r} begins in the expected state; expect something to be done"
            for number, call in enumerate(expected.solution, start=1):
                try:
                    world.call(call.tool, call.arguments)
                except AgentError as refusal:
                    yield IDEAL, f"call {number} of the solution is refused: {refusal}"
            problem = unreached(expected, world.state)
            if problem:
                yield IDEAL, f"the solution does not reach the state: {problem}"
    except WorkbenchError as error:
        yield "each world begins", str(error)


def _name(case: SuiteCase) -> str:
    return f"case {case.case.case_id!r} ({case.where})"
