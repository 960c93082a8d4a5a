"""The desk on the command line.

    python -m experiments.support_desk REQUEST --email EMAIL --ticket ID [--model MODEL] [--folder FOLDER]
    python -m experiments.support_desk --resume RUN --email EMAIL [--model MODEL] [--folder FOLDER]
    python -m experiments.support_desk --recorded

Any model that follows instructions will do; the embedded base model won't. `--recorded` shows a whole ticket without
one: its answers were written by hand, in the form that a model is asked for.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import dspy

from experiments.support_desk.desk import HERE, TENANT, open_desk
from workbench.agents import Outcome
from workbench.core import Record, WorkbenchError, read_record
from workbench.lms import LMSpec, ScriptedEngine, connect, scripted_lm

RECORDED = HERE / "recorded.json"


class Recorded(Record):
    """A ticket, and what a model would say, in order."""

    ticket: str
    email: str
    request: str
    says: tuple[dict[str, object], ...]


def recorded_lm(recorded: Recorded) -> dspy.LM:
    """A model that says what was recorded, one thing after the other."""
    says = iter(recorded.says)
    return scripted_lm(ScriptedEngine(lambda _prompt: json.dumps(next(says))))


def main(arguments: Sequence[str]) -> int:
    """Resolve, or go on with, a ticket: 0 if it is answered, 1 if it waits for somebody, 2 if it failed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.support_desk", description=__doc__.split("\n")[0])
    parser.add_argument("request", nargs="?", help="what the customer wants, in their words")
    parser.add_argument("--email", help="who is signed in")
    parser.add_argument("--ticket", help="what it is for; the same ticket is not done twice")
    parser.add_argument("--resume", metavar="RUN", help="a run that waited")
    parser.add_argument(
        "--model", default="openai/gpt-4o-mini", help="provider/model; its key stays in the environment"
    )
    parser.add_argument("--folder", type=Path, default=Path("mlruns/support_desk"), help="the desk's files")
    parser.add_argument("--recorded", action="store_true", help="a whole ticket without a model")
    options = parser.parse_args(arguments)
    try:
        if options.recorded:
            return _show(_rehearsed(options.folder), options.folder)
        if options.email is None or (options.resume is None) == (options.request is None):
            parser.error("name the customer by --email, and either a request or --resume RUN")
        if options.request is not None and options.ticket is None:
            parser.error("name the ticket by --ticket")
        desk = open_desk(options.folder, connect(LMSpec(model=options.model)))
        if options.resume is not None:
            return _show(desk.resume(options.resume, options.email), options.folder)
        return _show(desk.resolve(options.request, options.email, ticket=options.ticket), options.folder)
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _rehearsed(folder: Path) -> Outcome:
    """The recorded ticket: it waits for a person, who grants it, and goes on in a desk that was opened anew."""
    recorded = read_record(RECORDED, Recorded)
    lm = recorded_lm(recorded)
    desk = open_desk(folder, lm)
    waits = desk.resolve(recorded.request, recorded.email, ticket=recorded.ticket)
    if waits.kind != "confirm":
        return waits
    _show(waits, folder)
    desk.gate.approvals.grant(waits.approval_id, approver="whoever watches", tenant=TENANT)
    return open_desk(folder, lm).resume(waits.run_id, recorded.email)


def _show(outcome: Outcome, folder: Path) -> int:
    for number, act in enumerate(outcome.work, start=1):
        print(f"{number}. {act.call.tool} {json.dumps(act.call.arguments)}: {act.result.kind}")
    print(f"{outcome.kind}: {outcome.text}")
    if outcome.kind == "confirm":
        state = folder / "state.db"
        print(f"run {outcome.run_id}; grant it with:")
        print(f"  workbench approvals grant {outcome.approval_id} {state} --tenant {TENANT} --approver NAME")
    return {"answered": 0, "failed": 2}.get(outcome.kind, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
