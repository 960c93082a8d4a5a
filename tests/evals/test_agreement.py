"""Agreement, decisions and the rate they imply, against worked examples."""

import numpy as np
import pytest

from workbench.evals.agreement import adjudicate, agree, reviewed_rate
from workbench.evals.review import DOUBT, Opinion, Review, ReviewItem


def review(case: int, reviewer: str, opinion: Opinion, failure: str = "") -> Review:
    return Review(run_digest="r", case_id=f"c{case}", reviewer=reviewer, opinion=opinion, failure=failure)


def item(case: int, stratum: str, chance: float) -> ReviewItem:
    return ReviewItem(
        run_digest="r",
        agent="a",
        case_id=f"c{case}",
        repeat=0,
        request="",
        answer=None,
        scores={},
        stratum=stratum,
        chance=chance,
    )


def test_alpha_of_a_worked_example() -> None:
    """Two coders, ten units, binary: 0.095. Source: Krippendorff 2011, Computing Krippendorff's Alpha, part A."""
    meg = "0100000000"
    owen = "1110010100"
    said: dict[str, Opinion] = {"0": "wrong", "1": "right"}
    reviews = [review(n, "meg", said[word]) for n, word in enumerate(meg)]
    reviews += [review(n, "owen", said[word]) for n, word in enumerate(owen)]

    found = agree(reviews, seed=1)

    assert found.alpha == pytest.approx(0.095, abs=5e-4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.095 < found.high


def test_one_reviewer_agrees_with_nobody() -> None:
    """What can't be measured says so."""
    found = agree([review(1, "ann", "right")], seed=1)

    assert (None, "no episode has an opinion of two reviewers") == (found.alpha, found.reason)


def test_always_the_same_word_is_no_agreement() -> None:
    """Two people who always say right could be asleep."""
    found = agree([review(n, who, "right") for n in range(5) for who in ("ann", "bob")], seed=1)

    assert found.alpha is None


@pytest.mark.parametrize(
    ("opinions", "expected"),
    [
        (("right",), ("right", "one reviewer")),
        (("right", "right"), ("right", "unanimous")),
        (("right", "wrong", "wrong"), ("wrong", "majority")),
        (("right", "wrong"), ("unsure", "open")),
        (("unsure", "wrong"), ("wrong", "one reviewer")),
        (("unsure",), ("unsure", "open")),
    ],
)
def test_decisions(opinions: tuple[Opinion, ...], expected: tuple[str, str]) -> None:
    """All, most or nobody: each is said as what it is."""
    (decision,) = adjudicate([review(1, f"r{n}", opinion) for n, opinion in enumerate(opinions)])

    assert expected == (decision.opinion, decision.how)


def test_the_adjudicator_decides() -> None:
    """Against the majority, too; the failure is the one they name."""
    reviews = [review(1, "a", "right"), review(1, "b", "right"), review(1, "judge", "wrong", "wrong-date")]

    (decision,) = adjudicate(reviews, adjudicator="judge")

    assert ("wrong", "adjudicated", "wrong-date") == (decision.opinion, decision.how, decision.failure)


def test_strata_count_by_their_size() -> None:
    """10 doubtful, all wrong; 90 others of which 9 were reviewed and are right: 0.9, not 9 of 19."""
    items = [item(n, DOUBT, 1.0) for n in range(10)] + [item(10 + n, "right", 0.1) for n in range(9)]
    reviews = [review(n, "ann", "wrong" if n < 10 else "right") for n in range(19)]

    found = reviewed_rate(items, adjudicate(reviews))

    assert found.estimate == pytest.approx(0.9)


def test_a_stratum_nobody_decided_is_unmeasured() -> None:
    """Silence about a stratum does not count as agreement with the others."""
    found = reviewed_rate([item(1, "right", 0.5), item(2, "wrong", 0.5)], adjudicate([review(1, "ann", "right")]))

    assert (None, "no decision on any episode of stratum 'wrong'") == (found.estimate, found.reason)


def test_the_interval_covers_the_truth() -> None:
    """In 500 simulated samples of 60 from 600 episodes, the 95 % interval holds the true share 92 to 99 % of the time.

    Simulated; the strata differ (0.2, 0.7, 0.95), a naive share would be far off.
    """
    rng = np.random.default_rng(5)
    truth = {"wrong": rng.random(200) < 0.2, "partly": rng.random(100) < 0.7, "right": rng.random(300) < 0.95}
    true_share = sum(part.sum() for part in truth.values()) / 600
    covered = 0
    for _ in range(500):
        items, reviews = [], []
        for name, part in truth.items():
            for place in rng.choice(len(part), 20, replace=False):
                items.append(item(len(items), name, 20 / len(part)))
                reviews.append(review(len(reviews), "ann", "right" if part[place] else "wrong"))
        found = reviewed_rate(items, adjudicate(reviews))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true_share <= found.high

    assert 0.92 <= covered / 500 <= 0.99
