"""An experiment file is wrong before anything is spent, and the error says where and what is meant."""

from pathlib import Path

import pytest
from rehearsal import TEXT

from workbench.core import ConfigError
from workbench.lab import read_experiment

SHIPPED = Path(__file__).parents[2] / "experiments" / "tool_calling.yaml"


def refusal(folder: Path, text: str) -> str:
    """What is said of a file with this text; its path is left out."""
    file = folder / "trial.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_experiment(file)
    return str(refused.value).replace(str(folder), "").replace("(/", "(")


def test_the_shipped_experiment_is_right() -> None:
    """Nothing is fetched or loaded to know that; its name is the file's."""
    experiment = read_experiment(SHIPPED)

    assert ("tool_calling", "embedded") == (experiment.name, experiment.lm.model)
    assert experiment.lm == experiment.start.lm


def test_the_small_experiment_is_right(tmp_path: Path) -> None:
    """What the following tests make one mistake in."""
    (tmp_path / "trial.yaml").write_text(TEXT)

    assert ("trial", 7, 60) == (
        (found := read_experiment(tmp_path / "trial.yaml")).name,
        found.seed,
        found.data.train,
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed: 7", "sede: 7", 'experiment (trial.yaml:20): sede: is no field here; did you mean "seed"?'),
        (
            "  using: [tune",
            "  usng: [tune",
            'experiment (trial.yaml:8): optimize.usng: is no field here; did you mean "using"?',
        ),
        (
            "  layout: signature",
            "  layuot: signature",
            'experiment (trial.yaml:6): agent.layuot: is no field here; did you mean "layout"?',
        ),
        (
            "{retriever: bm25}",
            "{retreiver: bm25}",
            'experiment (trial.yaml:5): agent.index.retreiver: is no field here; did you mean "retriever"?',
        ),
        (
            "{calls: 200, tokens: 900000}",
            "{call: 200}",
            'experiment (trial.yaml:14): optimize.budget.call: is no field here; did you mean "calls"?',
        ),
        (
            "at_least: 0.05",
            "atleast: 0.05",
            'experiment (trial.yaml:17): gate.0.atleast: is no field here; did you mean "at_least"?',
        ),
        (
            "lm: {model: embedded,",
            "lm: {modle: embedded,",
            'experiment (trial.yaml:3): lm.modle: is no field here; did you mean "model"?',
        ),
        (
            "  budget: {calls: 200, tokens: 900000}",
            "  budget: {calls: 200}\n  proposer: {modle: embedded}",
            'experiment (trial.yaml:15): optimize.proposer.modle: is no field here; did you mean "model"?',
        ),
        ("train: 60", "train: 0", "experiment (trial.yaml:2): data.train: Input should be greater than or equal to 1"),
        ("question: Does the way through stand?\n", "", "experiment (trial.yaml:1): question: is missing"),
        ("retriever: bm25", "retriever: bm52", "experiment (trial.yaml:5): agent.index.retriever: Input should be "),
    ],
)
def test_a_wrong_field_is_named_with_its_line(old: str, new: str, expected: str, tmp_path: Path) -> None:
    """On every level, with the nearest field of that level."""
    assert old in TEXT

    assert refusal(tmp_path, TEXT.replace(old, new, 1)).startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "[task_success, tool_choice",
            "[taks_success, tool_choice",
            "(trial.yaml:15): metrics.0: metric 'taks_success' is unknown; did you mean \"task_success\"?",
        ),
        (
            "metrics: [task_success, tool_choice, recall@1]",
            "metrics:\n  - task_success\n  - recal@1",
            "(trial.yaml:17): metrics.1: metric 'recal@1' is unknown; did you mean \"recall@1\"?",
        ),
        (
            "random_search]",
            "random_serch]",
            "(trial.yaml:8): optimize.using.1: optimizer 'random_serch' is unknown; did you mean \"random_search\"?",
        ),
        (
            "simple_python,",
            "simple_pyton,",
            "(trial.yaml:2): data.parts.1: part 'simple_pyton' is unknown; did you mean \"simple_python\"?",
        ),
        ("set: bfcl_v4", "set: bfcl_v3", "(trial.yaml:2): data.set: data set 'bfcl_v3'"),
        (
            "    demos: [0",
            "    demoes: [0",
            '(trial.yaml:11): optimize.space.demoes: an agent has no such knob; did you mean "demos"?',
        ),
        (
            "demos: [0, 2, 4]",
            "demos: [0, 2, 40]",
            "(trial.yaml:11): optimize.space.demos: knob 'demos': Input should be less than or equal to 16, got 40",
        ),
        (
            "metric: task_success, at_least",
            "metric: task_succes, at_least",
            "(trial.yaml:16): gate: gate rule 'task_succes': no such metric is measured; did you mean \"task_succ",
        ),
        (
            "at_least: 0.05",
            "better_than: basline",
            "(trial.yaml:16): gate: gate rule 'task_success better than basline': the champion is 'baseline'",
        ),
        ("model: embedded", "model: embeded", "(trial.yaml:3): lm: lm 'embeded': is neither embedded nor provider/mo"),
        ("model: embedded", "model: opnai/gpt-4o-mini", "(trial.yaml:3): lm: lm 'opnai/gpt-4o-mini': "),
        (
            "model: embedded",
            "model: openai/gpt-4o-mini, key_env: ACME_NO_SUCH_KEY",
            "(trial.yaml:3): lm: lm 'openai/gpt-4o-mini': environment variable 'ACME_NO_SUCH_KEY' is empty; put the",
        ),
        (
            "calls: 200",
            "calls: 11",
            "(trial.yaml:14): optimize.budget.calls: 11 calls can't try one candidate on 12",
        ),
        (
            "tokens: 900000",
            "tokens: 1535",
            "(trial.yaml:14): optimize.budget.tokens: 1535 tokens can't try one candidate; it may take 1536",
        ),
        (
            "calls: 200, tokens: 900000",
            "seconds: 4.9",
            "(trial.yaml:14): optimize.budget.seconds: 4.9 s are less than one call may take (5 s)",
        ),
        ("{calls: 200, tokens: 900000}", "{}", "(trial.yaml:14): optimize.budget: has no limit; give at least one of"),
        (
            "[tune_retrieval, random_search]",
            "[mipro]",
            "(trial.yaml:8): optimize.using: mipro: instructions are written",
        ),
    ],
)
def test_what_no_single_field_shows_is_named_too(old: str, new: str, expected: str, tmp_path: Path) -> None:
    """Names are checked against what there is, budgets against what one candidate may take."""
    assert old in TEXT

    assert refusal(tmp_path, TEXT.replace(old, new, 1)).startswith(f"experiment 'trial' {expected}")


def test_no_money_pays_no_call_of_a_model_that_costs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The embedded one costs none."""
    monkeypatch.setenv("ACME_API_KEY", "acme-0123456789")
    text = TEXT.replace("tokens: 900000", "usd: 0")
    other = text.replace("model: embedded", "model: openai/gpt-4o-mini, key_env: ACME_API_KEY")
    (tmp_path / "free.yaml").write_text(text)

    assert 0 == read_experiment(tmp_path / "free.yaml").optimize.budget.usd
    assert "optimize.budget.usd: 0 USD can't pay a call of 'openai/gpt-4o-mini'" in refusal(tmp_path, other)


def test_a_gate_needs_a_rule(tmp_path: Path) -> None:
    """None given, or none in the list: silence is no pass."""
    head, rule = TEXT.partition("gate:\n")[0], "  - {metric: task_success, at_least: 0.05}\n"

    assert refusal(tmp_path, TEXT.replace(f"gate:\n{rule}", "")).startswith("experiment (trial.yaml:1): gate: is missi")
    assert refusal(tmp_path, f"{head}gate: []\n").startswith("experiment (trial.yaml:16): gate: Tuple should have at ")


def test_yaml_that_cant_be_read_is_named_with_its_line(tmp_path: Path) -> None:
    """So is a file that holds something else."""
    assert refusal(tmp_path, "question: what\ndata: {set: [bfcl_v4}\n").startswith(
        "experiment (trial.yaml:2): is not YAML"
    )
    assert refusal(tmp_path, "- question\n").startswith("experiment (trial.yaml:1): the file: Input should be ")
    assert refusal(tmp_path, "").startswith("experiment (trial.yaml:1): the file: Input should be ")


def test_a_proposer_may_be_its_name_alone(tmp_path: Path) -> None:
    """It then writes at length, and not the same each time."""
    (tmp_path / "trial.yaml").write_text(TEXT.replace("  budget:", "  proposer: embedded\n  budget:"))
    proposer = read_experiment(tmp_path / "trial.yaml").proposer

    assert proposer is not None
    assert ("embedded", 1.0, 512) == (proposer.model, proposer.temperature, proposer.max_tokens)


def test_a_field_that_is_given_twice_is_named(tmp_path: Path) -> None:
    """Or the first of the two would be silently dropped."""
    assert refusal(tmp_path, f"{TEXT}seed: 8\n").startswith("experiment (trial.yaml:21): seed: is given twice")


def test_a_missing_file_is_named_with_its_nearest_neighbour() -> None:
    """Among the experiments beside it."""
    with pytest.raises(
        ConfigError, match=r"""experiment '.*tool_caling.yaml': is missing; did you mean "tool_calling"?"""
    ):
        read_experiment(SHIPPED.with_name("tool_caling.yaml"))
