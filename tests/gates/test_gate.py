"""From runs and rules to verdicts."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from workbench.core import ConfigError, EvaluationError, Run, Score, Usage
from workbench.gates import Rule, Terms, check, render_verdict

MakeRun = Callable[..., Run]


def _half(count: int, right: int) -> list[float]:
    return [1.0] * right + [0.0] * (count - right)


def _tokens(counts: Sequence[int]) -> list[Usage]:
    return [Usage(calls=1, prompt_tokens=count) for count in counts]


OLD, SAME, MUCH_BETTER, WORSE = _half(60, 30), _half(60, 30), _half(60, 50), _half(60, 15)
GOOD = _half(60, 59)


@pytest.mark.parametrize(
    ("values", "rule", "status"),
    [
        (GOOD, {"at_least": 0.9}, "PASS"),  # Wilson's interval of 59 of 60 begins at 0.910
        (MUCH_BETTER, {"at_least": 0.8}, "INCONCLUSIVE"),  # 50 of 60 is [0.719, 0.907]
        (WORSE, {"at_least": 0.8}, "FAIL"),
        (MUCH_BETTER, {"better_than": "old"}, "PASS"),
        (MUCH_BETTER, {"better_than": "old", "margin": 0.3}, "INCONCLUSIVE"),
        (MUCH_BETTER, {"better_than": "old", "margin": 0.5}, "FAIL"),
        (SAME, {"better_than": "old"}, "INCONCLUSIVE"),
        (WORSE, {"better_than": "old"}, "FAIL"),
        (SAME, {"no_worse_than": "old", "margin": 0.07}, "PASS"),  # none of 60 lost: less than 0.063
        (SAME, {"no_worse_than": "old", "margin": 0.01}, "INCONCLUSIVE"),
        (WORSE, {"no_worse_than": "old", "margin": 0.06}, "FAIL"),
        ([*_half(59, 30), None], {"coverage": 0.98}, "PASS"),  # 98.3 %
        ([*_half(58, 30), None, None], {"coverage": 0.98}, "FAIL"),
        ([None] * 60, {"coverage": 0.98}, "UNMEASURED"),
        ([None] * 60, {"at_least": 0.1}, "UNMEASURED"),
        ([None] * 60, {"better_than": "old"}, "UNMEASURED"),
    ],
)
def test_every_rule_about_scores_allows_denies_and_admits_that_it_can_not_tell(
    values: list[float | None], rule: dict[str, float], status: str, make_run: MakeRun
) -> None:
    """Sixty cases against a champion that is right on thirty."""
    champion, challenger = make_run(OLD, agent="old"), make_run(values, agent="new")
    verdict = check([Rule.model_validate({"metric": "m", **rule})], challenger=challenger, champion=champion, seed=1)

    assert (status, status) == (verdict.status, verdict.findings[0].status)
    assert (status == "PASS") == verdict.passed


@pytest.mark.parametrize(
    ("tokens", "rule", "status"),
    [
        ([100, 120] * 20, {"at_most": 115}, "PASS"),  # 110 with an error of 1.6
        ([100, 120] * 20, {"at_most": 111}, "INCONCLUSIVE"),
        ([100, 120] * 20, {"at_most": 100}, "FAIL"),
        ([100] * 40, {"no_worse_than": "old"}, "PASS"),  # equal is no worse
        ([100, 120] * 20, {"no_worse_than": "old", "margin": 15}, "PASS"),
        ([100, 120] * 20, {"no_worse_than": "old", "margin": 10}, "INCONCLUSIVE"),
        ([100, 120] * 20, {"no_worse_than": "old"}, "FAIL"),
    ],
)
def test_every_rule_about_costs_allows_denies_and_admits_that_it_can_not_tell(
    tokens: list[int], rule: dict[str, float], status: str, make_run: MakeRun
) -> None:
    """Forty cases against a champion that needs 100 tokens for each; lower is better."""
    champion = make_run([1.0] * 40, agent="old", usages=_tokens([100] * 40))
    challenger = make_run([1.0] * 40, usages=_tokens(tokens))
    rules = [Rule.model_validate({"metric": "tokens", **rule})]

    assert status == check(rules, challenger=challenger, champion=champion, seed=1).status


def test_a_clear_difference_in_the_wrong_direction_is_not_better(make_run: MakeRun) -> None:
    """Six of six clusters worse are no sign of better; one large cluster keeps the interval wide: it does not pass."""
    clusters = ["a", "b", "c", "d", "e", *["f"] * 12]
    champion, challenger = make_run([1.0] * 17, clusters, agent="old"), make_run([0.0] * 17, clusters)
    verdict = check([Rule(metric="m", better_than="old")], challenger=challenger, champion=champion, seed=1)

    assert ("INCONCLUSIVE", 1.0) == (verdict.status, verdict.findings[0].p_value)


def test_silence_is_not_a_pass(make_run: MakeRun) -> None:
    """No rule, a metric the run lacks, an unknown price, a single cluster: none of them passes."""
    champion, challenger = make_run(OLD, agent="old"), make_run(GOOD)
    with pytest.raises(ConfigError, match="silence is not a pass"):
        check([], challenger=challenger, champion=champion, seed=1)
    lacking = check([Rule(metric="other", at_least=0.1)], challenger=challenger, champion=champion, seed=1)
    unpriced = make_run([1.0, 1.0], usages=[Usage(usd=None)] * 2)
    price = check([Rule(metric="usd", at_most=5)], challenger=unpriced, champion=make_run([1, 1]), seed=1)
    alone = make_run([1.0, 1.0], ["k", "k"])
    single = check([Rule(metric="m", at_least=0.1)], challenger=alone, champion=alone, seed=1)

    assert ["UNMEASURED", "UNMEASURED", "INCONCLUSIVE"] == [lacking.status, price.status, single.status]
    assert "the run of 'a' has no metric 'other'; what is not measured does not pass" == lacking.findings[0].reason
    assert "the price of a model is unknown" in price.findings[0].reason


def test_runs_of_other_cases_are_refused(make_run: MakeRun) -> None:
    """Whatever the rules say."""
    with pytest.raises(EvaluationError, match="did not try the same cases"):
        check([Rule(metric="m", at_least=0.1)], challenger=make_run([1, 1]), champion=make_run([1]), seed=1)


def test_a_verdict_is_as_bad_as_its_worst_finding_and_says_why(make_run: MakeRun) -> None:
    """FAIL before UNMEASURED before INCONCLUSIVE before PASS; the text holds rule, numbers and reason."""
    champion, challenger = make_run(OLD, agent="old"), make_run(MUCH_BETTER, agent="new")
    rules = [
        Rule(metric="m", better_than="old"),
        Rule(metric="m", at_least=0.8),
        Rule(metric="other", at_least=0.8),
        Rule(metric="m", at_least=0.95),
    ]
    verdicts = [check(rules[:n], challenger=challenger, champion=champion, seed=1) for n in (1, 2, 3, 4)]
    text = render_verdict(verdicts[3])

    assert ["PASS", "INCONCLUSIVE", "UNMEASURED", "FAIL"] == [verdict.status for verdict in verdicts]
    assert verdicts[3] == check(rules, challenger=challenger, champion=champion, seed=1)
    assert challenger.digest == verdicts[3].run_digest
    assert 4 == len({verdict.rules_digest for verdict in verdicts})
    assert text.startswith("FAIL: run ")
    assert "  INCONCLUSIVE  m at least 0.8\n" in text
    assert "measured 0.833 [0.716, 0.908] over 60 cases in 60 clusters: the interval contains" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_claims_made_together_are_corrected_together(make_run: MakeRun) -> None:
    """Six of six better has p = 2/64 alone; the same claim made twice has twice that, and passes no more."""
    champion, challenger = make_run([0.0] * 6, agent="old"), make_run([1.0] * 6)
    rule = Rule(metric="m", better_than="old")
    once = check([rule], challenger=challenger, champion=champion, seed=1)
    twice = check([rule, rule], challenger=challenger, champion=champion, seed=1)

    assert ("PASS", 2 / 64) == (once.status, once.findings[0].p_value)
    assert ("INCONCLUSIVE", [4 / 64, 4 / 64]) == (twice.status, [finding.p_value for finding in twice.findings])


def test_a_rule_that_fails_alone_may_not_fail_among_twenty(make_run: MakeRun) -> None:
    """Eight of sixty cases lost is p = 0.006; among twenty rules that is chance, and it does not pass either."""
    champion, challenger = make_run(OLD, agent="old"), make_run(_half(60, 22))
    rule = Rule(metric="m", no_worse_than="old")
    alone = check([rule], challenger=challenger, champion=champion, seed=1)
    among = check([rule, *[Rule(metric="m", at_least=0.2)] * 19], challenger=challenger, champion=champion, seed=1)

    assert ("FAIL", "INCONCLUSIVE") == (alone.status, among.status)
    raw, corrected = (verdict.findings[0].fail_p_value for verdict in (alone, among))
    assert raw is not None
    assert corrected == pytest.approx(20 * raw)
    assert "not shown with so many rules at once" in among.findings[0].reason


def test_a_pass_does_not_get_harder_with_more_rules(make_run: MakeRun) -> None:
    """All have to be met, so no false pass gets likelier: the same findings with one rule and with twenty."""
    champion, challenger = make_run(OLD, agent="old"), make_run(SAME)
    rule = Rule(metric="m", no_worse_than="old", margin=0.07)
    verdicts = [check([rule] * n, challenger=challenger, champion=champion, seed=1) for n in (1, 20)]

    assert ["PASS", "PASS"] == [verdict.status for verdict in verdicts]
    assert verdicts[0].findings[0].p_value == verdicts[1].findings[19].p_value
    assert 0.07 == verdicts[0].findings[0].margin


def test_a_fixed_sequence_spends_nothing_on_later_claims(make_run: MakeRun) -> None:
    """Six of six better is p = 2/64: shown when claimed first, not shown when Holm divides by two."""
    champion, challenger = make_run([0.0] * 6, agent="old"), make_run([1.0] * 6)
    rules = [Rule(metric="m", better_than="old"), Rule(metric="m", better_than="old", margin=0.9)]
    by = {
        correction: check(
            rules, challenger=challenger, champion=champion, seed=1, terms=Terms(correction=correction)
        ).findings
        for correction in ("holm", "fixed sequence")
    }

    assert ["INCONCLUSIVE", "PASS"] == [by[name][0].status for name in ("holm", "fixed sequence")]


def test_repeats_of_a_case_are_one_cluster(make_run: MakeRun) -> None:
    """Every case tried four times with the same outcome says as much as tried once."""
    once = [make_run(values, agent=name) for values, name in ((OLD, "old"), (_half(60, 22), "new"))]
    often = [
        run.model_copy(
            update={
                part: tuple(one.model_copy(update={"repeat": n}) for one in getattr(run, part) for n in range(4))
                for part in ("episodes", "scores")
            }
        )
        for run in once
    ]
    rules = [Rule(metric="m", no_worse_than="old"), Rule(metric="m", at_least=0.3)]
    single, fourfold = (check(rules, challenger=new, champion=old, seed=1).findings for old, new in (once, often))

    assert [240, 240] == [finding.cases for finding in fourfold]
    for one, four in zip(single, fourfold, strict=True):
        assert one.clusters == four.clusters
        assert (one.low, one.high, one.fail_p_value) == pytest.approx((four.low, four.high, four.fail_p_value))


def test_a_verdict_names_everything_it_rests_on(make_run: MakeRun) -> None:
    """Its digest stays the same for the same, and changes with anything else."""
    champion, challenger = make_run(OLD, agent="old"), make_run(SAME)
    rule = Rule(metric="m", no_worse_than="old", margin=0.1)

    def digest(
        run: Run = challenger, rules: Sequence[Rule] = (rule,), *, seed: int = 1, terms: Terms | None = None
    ) -> str:
        return check(rules, challenger=run, champion=champion, seed=seed, terms=terms).evidence_digest

    priced = challenger.model_copy(update={"header": challenger.header.model_copy(update={"prices": "p" * 64})})
    others = [
        digest(make_run(MUCH_BETTER)),
        digest(priced),
        digest(rules=[rule, rule]),
        digest(seed=2),
        digest(terms=Terms(correction="fixed sequence")),
        check([rule], challenger=challenger, champion=champion, seed=1, terms=Terms(alpha=0.1)).evidence_digest,
    ]

    assert digest() == digest()
    assert 7 == len({digest(), *others})


def test_runs_that_were_graded_differently_are_refused(make_run: MakeRun) -> None:
    """Whatever the rules say."""
    champion = make_run(OLD, agent="old")
    header = champion.header.model_copy(update={"graders": {"m": "g" * 64}})
    with pytest.raises(EvaluationError, match="graded differently"):
        check(
            [Rule(metric="m", at_least=0.1)],
            challenger=make_run(SAME),
            champion=champion.model_copy(update={"header": header}),
            seed=1,
        )


def _with_metrics(run: Run, columns: dict[str, Sequence[float]]) -> Run:
    scores = tuple(
        Score(case_id=episode.case_id, metric=name, value=value)
        for name, values in columns.items()
        for episode, value in zip(run.episodes, values, strict=True)
    )
    return run.model_copy(
        update={"header": run.header.model_copy(update={"metrics": tuple(columns)}), "scores": scores}
    )


def test_noise_is_rarely_called_better(make_run: MakeRun) -> None:
    """Three metrics without a true difference, 400 times: at most 5 % of the gates call any of them better."""
    stream = np.random.default_rng(21)
    clusters = [f"k{place // 2}" for place in range(24)]
    blank = make_run([0.0] * 24, clusters, agent="old")
    rules = [Rule(metric=name, better_than="old") for name in ("x", "y", "z")]
    called = 0
    for _ in range(400):
        draws = stream.random((2, 3, 24)) < 0.5
        champion, challenger = (
            _with_metrics(blank, {name: draw[place].astype(float).tolist() for place, name in enumerate("xyz")})
            for draw in draws
        )
        verdict = check(rules, challenger=challenger, champion=champion, seed=3)
        called += any(finding.status == "PASS" for finding in verdict.findings)

    assert called <= 20


def test_an_agent_that_did_not_change_is_rarely_blocked(make_run: MakeRun) -> None:
    """Five metrics in 300 gates: any of them fails in 5 % at most, with 2.5 % promised."""
    stream = np.random.default_rng(23)
    blank = make_run([0.0] * 40, agent="old")
    names = "vwxyz"
    rules = [Rule(metric=name, no_worse_than="old") for name in names]
    blocked = 0
    for _ in range(300):
        shared = stream.random(40) < 0.5  # cases are hard or easy for every metric alike
        draws = stream.random((2, 5, 40)) < np.where(shared, 0.8, 0.3)
        champion, challenger = (
            _with_metrics(blank, {name: draw[place].astype(float).tolist() for place, name in enumerate(names)})
            for draw in draws
        )
        blocked += check(rules, challenger=challenger, champion=champion, seed=3).status == "FAIL"

    assert blocked <= 15


def test_a_drop_of_just_the_margin_rarely_passes(make_run: MakeRun) -> None:
    """A tenth of all cases lost, margin 0.1, 400 gates: 5 % pass at most, with 2.5 % promised."""
    stream = np.random.default_rng(24)
    passed = 0
    for _ in range(400):
        old = (stream.random(100) < 0.7).astype(float)
        new = old * (stream.random(100) >= 0.1 / 0.7)
        rule = Rule(metric="m", no_worse_than="old", margin=0.1)
        champion, challenger = make_run(old.tolist(), agent="old"), make_run(new.tolist())
        passed += check([rule], challenger=challenger, champion=champion, seed=3).passed

    assert passed <= 20


def test_a_true_difference_of_the_smallest_size_is_found(make_run: MakeRun) -> None:
    """A gate that says it could have shown a distance shows one of that size most of the time."""
    stream = np.random.default_rng(22)
    found = 0
    for _ in range(60):
        old = stream.random(80) < 0.4
        new = np.where(stream.random(80) < 0.5, old, stream.random(80) < 0.9)
        champion, challenger = make_run(old.astype(float).tolist(), agent="old"), make_run(new.astype(float).tolist())
        verdict = check([Rule(metric="m", better_than="old")], challenger=challenger, champion=champion, seed=3)
        found += verdict.passed
        effect = verdict.findings[0].smallest_effect
        assert effect is not None
        assert 0.1 < effect < 0.3  # the true difference is 0.25

    assert found >= 48
