"""Judges must earn the right to judge, each one for itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from workbench.core import BudgetExceeded, Case, Episode, EvaluationError, ExpectedAnswer, Prediction, Score
from workbench.evals.admission import Admission, Guarded, Labelled, admit, agree


@dataclass(frozen=True)
class Rule:
    """Judges by the answer's first letter: s is sound, f is faulty, ? can't be graded, ! fails."""

    name: str = "rule"
    digest: str = "rule-1"

    def __call__(self, case: Case, episode: Episode) -> Score:
        assert episode.prediction is not None
        first = (episode.prediction.answer or "?")[0]
        if first == "!":
            raise RuntimeError("down")
        value = {"s": 1.0, "f": 0.0}.get(first)
        return Score(case_id=case.case_id, metric=self.name, value=value, reason="" if value is not None else "unclear")


def labelled(answers: str, people: str, clusters: Sequence[str] | None = None) -> list[Labelled]:
    """What the judge will say of each answer, and what people say: s or f."""
    names = clusters or [f"k{place}" for place in range(len(answers))]
    return [
        Labelled(
            case=Case(case_id=f"c{place}", request="?", expected=ExpectedAnswer(answers=("a",)), cluster=name),
            episode=Episode(case_id=f"c{place}", prediction=Prediction(answer=answer), milliseconds=0),
            sound=human == "s",
        )
        for place, (answer, human, name) in enumerate(zip(answers, people, names, strict=True))
    ]


def test_a_good_judge_is_admitted_and_scores() -> None:
    """95 of 100 right of either kind: the lower bound, near 0.92, reaches 0.9; then its scores pass through."""
    sample = labelled("s" * 95 + "f" * 5 + "f" * 95 + "s" * 5, "s" * 100 + "f" * 100)
    admission = admit(Rule(), sample, at_least=0.9)

    assert ("admitted", "rule", "rule-1", 200, 0) == (
        admission.standing,
        admission.judge,
        admission.judge_digest,
        admission.clusters,
        admission.ungraded,
    )
    assert (0.95, 0.95, 0.95) == (
        admission.agreement.balanced,
        admission.agreement.sensitivity,
        admission.agreement.specificity,
    )
    assert 0.0 == Guarded(Rule(), admission)(sample[-6].case, sample[-6].episode).value


def test_the_bound_decides_and_not_the_mean() -> None:
    """The same shares on a tenth of the answers: the mean is above 0.9, the bound is not."""
    admission = admit(Rule(), labelled("s" * 10 + "f" * 9 + "s", "s" * 10 + "f" * 10), at_least=0.9)

    assert 0.95 == admission.agreement.balanced
    assert "refused" == admission.standing
    assert "label more answers" in admission.reason


def test_passing_everything_is_chance_however_rare_faults_are() -> None:
    """It agrees with people on 95 of 100 answers, and is no judge."""
    admission = admit(Rule(), labelled("s" * 100, "s" * 95 + "f" * 5), at_least=0.6)

    assert (0.5, 0.0, 1.0, 0.0) == (
        admission.agreement.balanced,
        admission.agreement.sensitivity,
        admission.agreement.specificity,
        admission.agreement.kappa,
    )
    assert "refused" == admission.standing


@pytest.mark.parametrize("people", ["s" * 20, "f" * 20, ""])
def test_one_kind_of_answers_shows_nothing(people: str) -> None:
    """Without faulty or without sound answers an admission is unmeasured, and that is none."""
    admission = admit(Rule(), labelled("s" * len(people), people))

    assert ("unmeasured", False, None) == (admission.standing, admission.admitted, admission.agreement.balanced)


def test_clusters_count_instead_of_answers() -> None:
    """Two hundred answers of six clusters are too few to be sure of."""
    answers, people = "s" * 95 + "f" * 5 + "f" * 95 + "s" * 5, "s" * 100 + "f" * 100
    many, few = (
        admit(Rule(), labelled(answers, people, clusters), at_least=0.9)
        for clusters in (None, [f"k{place // 34}" for place in range(200)])
    )

    assert ("admitted", "refused") == (many.standing, few.standing)
    assert (few.agreement.low or 0) < (many.agreement.low or 0) - 0.1


def test_what_it_can_not_grade_counts_against_it() -> None:
    """Ten unclear and ten failed answers of a hundred of either kind are wrong verdicts: nobody gains by shirking."""
    answers = "s" * 80 + "?" * 10 + "!" * 10 + "f" * 80 + "?" * 10 + "!" * 10
    admission = admit(Rule(), labelled(answers, "s" * 100 + "f" * 100))

    assert (40, 0.8, 0.8) == (admission.ungraded, admission.agreement.sensitivity, admission.agreement.specificity)
    assert "40 answers it could not grade" in admission.reason


def test_a_budget_that_ends_is_no_verdict() -> None:
    """It stops the admission instead of counting as a wrong verdict."""

    class Broke(Rule):
        def __call__(self, case: Case, episode: Episode) -> Score:
            raise BudgetExceeded("budget 'usd': is used up")

    with pytest.raises(BudgetExceeded):
        admit(Broke(), labelled("sf", "sf"))


def _admission(digest: str = "rule-1", good: bool = True) -> Admission:
    answers = "s" * 100 + ("f" if good else "s") * 100
    return admit(Rule(digest=digest), labelled(answers, "s" * 100 + "f" * 100))


@pytest.mark.parametrize(
    ("admission", "why"),
    [
        (None, "is not admitted; let `admit` try it"),
        (_admission(digest="rule-0"), "holds the admission of another judge"),
        (_admission(good=False), "is not admitted: balanced agreement 0.500"),
    ],
)
def test_without_an_admission_of_its_own_a_judge_scores_nothing(admission: Admission | None, why: str) -> None:
    """None, another judge's, and a refusal: unscored, blamed on the grader, with the reason."""
    one = labelled("s", "s")[0]
    score = Guarded(Rule(), admission)(one.case, one.episode)

    assert score.value is None
    assert score.reason.startswith("grader: judge 'rule': ")
    assert why in score.reason


def test_being_admitted_is_part_of_what_graded() -> None:
    """Runs graded before and after an admission are not compared; another admission changes nothing."""
    smaller = admit(Rule(), labelled("s" * 50 + "f" * 50, "s" * 50 + "f" * 50))
    digests = [Guarded(Rule(), one).digest for one in (None, _admission(good=False), _admission(), smaller)]

    assert digests[0] == digests[1] != digests[2] == digests[3]


def test_chance_is_no_threshold_and_an_answer_counts_once() -> None:
    """Both are mistakes of whoever asks."""
    with pytest.raises(EvaluationError, match=r"between 0\.5"):
        admit(Rule(), labelled("sf", "sf"), at_least=0.5)
    with pytest.raises(EvaluationError, match="comes twice"):
        admit(Rule(), labelled("s", "s") * 2)


def test_kappa_equals_the_textbook() -> None:
    """20 both yes, 15 both no, 5 and 10 mixed: kappa 0.4. Source: the worked example of Wikipedia, "Cohen's kappa"."""
    truth = [True] * 25 + [False] * 25
    flagged = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15

    assert pytest.approx(0.4) == agree(truth, flagged, [str(place) for place in range(50)]).kappa
