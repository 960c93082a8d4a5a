"""Cassettes answer what was recorded, and nothing else."""

from pathlib import Path

import dspy
import pytest

from workbench.core import CassetteMiss
from workbench.lms import CallStore, LMSpec, Recording, record, replayed_lm, scripted_lm

SPEC = LMSpec(model="openai/test")


def _recorded(store: CallStore, spec: LMSpec = SPEC) -> tuple[list[str], tuple[Recording, ...]]:
    number = iter(range(100))
    lm = scripted_lm(lambda prompt: f"{next(number)} {prompt} é", spec=spec, store=store)
    answers = [lm(text)[0] for text in ("one", "two", "two")]
    return answers, record(store, store.frame()["key"].to_list())


def _miss(lm: dspy.LM, text: str) -> bool:
    try:
        lm(text)
    except CassetteMiss:
        return True
    except dspy.utils.exceptions.LMError as wrapped:
        return isinstance(wrapped.__cause__, CassetteMiss)
    return False


def test_recorded_answers_come_back(tmp_path: Path) -> None:
    """Also from JSON; each question once in the cassette, sorted by key; nothing of the question in it."""
    answers, recordings = _recorded(CallStore(tmp_path / "calls.db"))
    again = tuple(Recording.model_validate_json(one.model_dump_json()) for one in recordings)
    lm = replayed_lm(SPEC, again)

    assert answers == [lm(text)[0] for text in ("one", "two", "two")]
    assert 2 == len(recordings)
    assert sorted(one.key for one in recordings) == [one.key for one in recordings]


def test_anything_else_is_a_miss(tmp_path: Path) -> None:
    """Another question, another address, another model, another setting: never a near answer."""
    _, recordings = _recorded(CallStore(tmp_path / "calls.db"))

    assert not _miss(replayed_lm(SPEC, recordings), "one")
    assert _miss(replayed_lm(SPEC, recordings), "One")
    assert _miss(replayed_lm(SPEC, ()), "one")
    for change in (
        {"base_url": "http://127.0.0.1:1"},
        {"model": "openai/other"},
        {"max_tokens": 7},
        {"temperature": 1.0},
    ):
        assert _miss(replayed_lm(SPEC.model_copy(update=change), recordings), "one")


def test_repeats_of_a_sampled_question_come_back_in_their_order(tmp_path: Path) -> None:
    """At a temperature each asking was recorded apart; after the last the first comes again."""
    spec = SPEC.model_copy(update={"temperature": 0.9})
    answers, recordings = _recorded(CallStore(tmp_path / "calls.db"), spec)
    lm = replayed_lm(spec, recordings)

    assert 3 == len(recordings) == len(set(answers))
    assert [*answers, answers[1], answers[0]] == [lm(text)[0] for text in ("one", "two", "two", "two", "one")]
    assert _miss(lm, "three")


def test_what_was_never_paid_for_can_t_be_recorded(tmp_path: Path) -> None:
    """The error names the question and the store."""
    with pytest.raises(CassetteMiss, match=r"question 'nokey': is not in call store '.*calls.db'"):
        record(CallStore(tmp_path / "calls.db"), ["nokey"])
