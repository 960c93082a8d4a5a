"""Knobs are named, checked and drawn the same way every time."""

import pytest
from pydantic import JsonValue

from workbench.agents import AgentSpec, Program
from workbench.core import ConfigError
from workbench.optimize import changes, knobs, optimizer, sample, vary

_BEGUN = "Call the tool: take each argument from the request."
SPACE: dict[str, list[JsonValue]] = {"demos": [0, 2, 4], "layout": ["json", "signature"], "index.k1": [0.9, 1.2]}


def test_knobs_are_everything_but_the_program() -> None:
    """By dotted name, nested ones too."""
    found = knobs(AgentSpec(program=Program(predictors={"fill": {"demos": []}})))

    assert ("bm25", 128, 0) == (found["index.retriever"], found["lm.max_tokens"], found["demos"])
    assert [] == [name for name in found if name.startswith("program")]


def test_a_spec_is_varied_by_name_and_keeps_the_rest() -> None:
    """Also inside the index."""
    start = AgentSpec(k=3)
    found = vary(start, {"demos": 4, "index.k1": 0.9})

    assert (3, 4, 0.9) == (found.k, found.demos, found.index.k1)
    assert start == vary(found, {"demos": 0, "index.k1": 1.2})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"demo": 4}, """knob 'demo': an agent has no such knob; did you mean "demos"?"""),
        (
            {"index.retreiver": "bm25"},
            """'index.retreiver': an agent has no such knob; did you mean "index.retriever"?""",
        ),
        ({"program": {}}, "knob 'program': an agent has no such knob; "),
        ({"demos": 17}, "knob 'demos': Input should be less than or equal to 16, got 17"),
        (
            {"index.retriever": "bm52"},
            "knob 'index.retriever': Input should be 'bm25', 'dense' or 'hybrid', got ",
        ),
    ],
)
def test_a_wrong_knob_or_value_is_named(values: dict[str, object], message: str) -> None:
    """With the nearest known knob, or with what it can take."""
    with pytest.raises(ConfigError) as refused:
        vary(AgentSpec(), values)  # type: ignore[arg-type]

    assert message in str(refused.value)


def test_points_are_different_and_fixed_by_the_seed() -> None:
    """A longer sample begins with the shorter one; another seed draws others."""
    points = sample(SPACE, count=5, seed=1)

    assert points == sample(dict(reversed(SPACE.items())), count=5, seed=1)
    assert points == sample(SPACE, count=9, seed=1)[:5]
    assert points != sample(SPACE, count=5, seed=2)
    assert 5 == len({str(point) for point in points})


def test_a_small_space_is_drawn_whole() -> None:
    """Twelve points are all there are."""
    points = sample(SPACE, count=100, seed=1)

    assert 12 == len(points) == len({str(point) for point in points})


def test_a_part_that_can_be_absent_is_varied_as_a_whole() -> None:
    """There and back; and what changed inside it is told by itself where both have it."""
    model: dict[str, JsonValue] = {"model": "embed-3", "base_url": "https://models.test/v1", "dimensions": 8}
    start = AgentSpec()
    with_model = vary(start, {"index.embedding": model})
    larger = vary(with_model, {"index.embedding.dimensions": 16, "index.k1": 0.9})

    assert {
        "index.embedding": "None → model embed-3, base_url https://models.test/v1, dimensions 8, batch 64, "
        "timeout_seconds 30.0, …"
    } == changes(start, with_model)
    assert {"index.embedding.dimensions": "8 → 16", "index.k1": "1.2 → 0.9"} == changes(with_model, larger)
    assert changes(with_model, start)["index.embedding"].endswith("… → None")
    assert start == vary(with_model, {"index.embedding": None})
    with pytest.raises(ConfigError, match=r'no such knob; did you mean "index\.embedding"'):
        vary(start, {"index.embedding.model": "embed-4"})


def test_changes_are_told_in_words() -> None:
    """Old and new value of each knob that differs; of a program only how many requests it shows."""
    program = Program(predictors={"fill": {"demos": [{}, {}]}, "choose": {"demos": [{}, {}]}})
    found = changes(AgentSpec(), AgentSpec(demos=2, layout="signature", program=program))

    assert {"demos": "0 → 2", "layout": "json → signature", "program": "0 → 2 solved requests"} == found
    assert {} == changes(AgentSpec(), AgentSpec())


def test_a_changed_instruction_is_told_in_short() -> None:
    """Against the words a predictor begins with; of a text that goes on from the old one only what is new."""
    told, same, longer, other = (
        AgentSpec(
            program=Program(predictors={"fill": {"demos": [], "signature": {"instructions": text, "fields": []}}})
        )
        for text in ("Be exact.", _BEGUN, f"{_BEGUN}\n\nCopy names.", "Copy. " * 40)
    )

    assert {"instructions.fill": f"{_BEGUN} → Be exact."} == changes(AgentSpec(), told)
    assert {} == changes(AgentSpec(), same)
    assert {"instructions.fill": "… + Copy names."} == changes(AgentSpec(), longer)
    assert {"instructions.fill": f"Be exact. → {'Copy. ' * 16}…"} == changes(told, other)


def test_an_unknown_optimizer_is_named() -> None:
    """With the nearest known one."""
    with pytest.raises(ConfigError, match=r"optimizer 'random_serch': is unknown; did you mean \"random_search\"\?"):
        optimizer("random_serch", {})
