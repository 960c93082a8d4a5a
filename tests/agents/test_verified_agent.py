"""Two must agree: an objection goes back once, and who still does not agree then leaves it to a person."""

import pytest
from support_world import SECRET, Script

from workbench.agents.outcome import Known
from workbench.agents.verified import UNREADABLE, Checker, VerifiedAnswer, agree
from workbench.core import LMError
from workbench.safety import UNKNOWN

FIVE, SIX = {"answer": "five"}, {"answer": "six"}
YES, NO = {"agrees": True, "objection": ""}, {"agrees": False, "objection": "count again"}


def run(proposes, checks, *, known=()):
    """What comes of a request, the proposer and the checker."""
    proposer, checker = Script(*proposes), Script(*checks)
    pattern = VerifiedAnswer(proposer.speaker, Checker(checker.speaker))
    return pattern.run("How many?", known=known), proposer, checker


@pytest.mark.parametrize(
    ("proposes", "checks", "kind", "code", "text"),
    [
        ([FIVE], [YES], "answered", "", "five"),
        ([FIVE, SIX], [NO, YES], "answered", "", "six"),
        ([FIVE, SIX], [NO, NO], "handed_over", "disagreement", "six\n\nThe checker objects: count again"),
        ([FIVE, FIVE], ["?"] * 4, "handed_over", "disagreement", f"five\n\nThe checker objects: {UNREADABLE}"),
        (["?", SIX], [YES], "answered", "", "six"),
        (["?", "?"], [], "failed", "garbage", "the output is not of the form that was asked for"),
        ([{"answer": ""}, SIX], [{"agrees": False, "objection": ""}], "handed_over", "disagreement", None),
        ([FIVE], [LMError(f"refused {SECRET}")], "failed", "model_failed", "the model could not be asked"),
    ],
)
def test_the_rule_for_disagreement(proposes, checks, kind, code, text):
    """Whatever either says, the end is typed; a checker that can't be read does not agree."""
    outcome, proposer, checker = run(proposes, checks)

    assert (kind, code) == (outcome.kind, outcome.code)
    assert text in {None, outcome.text}
    assert ([], []) == (proposer.says, checker.says)


def test_the_proposer_is_told_the_objection_and_the_checker_is_shown_the_proposal():
    """Each under its own prompt."""
    _, proposer, checker = run([FIVE, SIX], [NO, YES])

    assert [False, True] == ["Remark: count again" in prompt for prompt in proposer.prompts]
    assert ["five", "six"] == [prompt.split("Proposal: ")[1].split("\n")[0] for prompt in checker.prompts]


def test_an_answer_is_no_more_trusted_than_what_it_is_made_from():
    """That two agree proves nothing of what both have read."""
    known = Known(name="page", value="there are five", label=UNKNOWN)

    assert UNKNOWN.integrity == run([FIVE], [YES], known=(known,))[0].label.integrity


def test_agreement_keeps_what_was_said():
    """Both rounds, for whoever decides."""
    found = agree(lambda remark: remark, lambda _proposal: "no")

    assert [("none", "no"), ("no", "no")] == [(one.proposal, one.objection) for one in found.rounds]
    assert not found.reached
