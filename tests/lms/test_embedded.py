"""The embedded model: constrained, counted, repeatable, and only the pinned weights."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from dspy.lm15 import Config, Message, Request

from workbench.core import LMError
from workbench.lms import CallStore, EmbeddedEngine, LMSpec, connect, embedded_engine, totals
from workbench.lms.embedded import CONTEXT_TOKENS, MODEL_FILE, weights

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 999}, "maxItems": 3},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}
PROMPT = 'Request: weather in Oslo for 2 days\nArguments:\n{"city": "Oslo", "days": [1, 2]}\n\n' * 2


@pytest.fixture(scope="module")
def engine() -> EmbeddedEngine:
    """The process's one engine."""
    return embedded_engine()


def ask(text: str, **config: object) -> Request:
    """One request that is to be continued."""
    return Request(model="embedded", messages=(Message.user(text),), config=Config(**{"max_tokens": 40, **config}))


def test_output_obeys_the_schema_and_usage_is_the_server_s(engine: EmbeddedEngine) -> None:
    """Asked anything, the answer fits and has no free white space; the counters move by what it says it took."""
    before = engine.counters()
    constrained = {"type": "json_schema", "schema": SCHEMA}
    response = engine.complete(ask("Tell me a story.\n", response_format=constrained))
    after = engine.counters()

    answer = json.loads(response.message.text or "")
    jsonschema_rs.validate(SCHEMA, answer)
    assert json.dumps(answer, ensure_ascii=False) == response.message.text
    assert (response.usage.input_tokens, response.usage.output_tokens) == (
        after.prompt_tokens - before.prompt_tokens,
        after.completion_tokens - before.completion_tokens,
    )
    assert before.calls + 1 == after.calls


def test_a_prompt_is_continued_the_same_twice_and_its_beginning_is_free(engine: EmbeddedEngine) -> None:
    """Temperature 0: the same text; the second asking, and one that only ends otherwise, reuse the prefix."""
    first = engine.complete(ask(f"{PROMPT}Request: weather in Rome for 3 days\nArguments:\n", stop=("\n",)))
    again = engine.complete(ask(f"{PROMPT}Request: weather in Rome for 3 days\nArguments:\n", stop=("\n",)))
    before = engine.counters().reused_tokens
    other = engine.complete(ask(f"{PROMPT}Request: sun in Paris for 9 days\nArguments:\n", stop=("\n",)))

    assert first.message.text == again.message.text
    assert "Rome" == json.loads(first.message.text or "")["city"]
    assert (other.usage.cache_read_tokens or 0) > 30
    assert before + (other.usage.cache_read_tokens or 0) == engine.counters().reused_tokens


def test_a_prompt_longer_than_the_context_is_an_error(engine: EmbeddedEngine) -> None:
    """Never cut in silence; the counters stay, and the next request is answered."""
    before = engine.counters()
    with pytest.raises(LMError, match=r"embedded model: .*(context|exceed)"):
        engine.complete(ask("word " * (CONTEXT_TOKENS + 10)))

    assert before == engine.counters()
    assert engine.complete(ask("One, two,", max_tokens=2)).message.text


def test_the_ledger_of_a_connected_model_agrees_with_the_server(engine: EmbeddedEngine, tmp_path: Path) -> None:
    """Through dspy and the store: paid tokens are the counters', free of charge; a kept answer moves nothing."""
    store = CallStore(tmp_path / "calls.db")
    lm = connect(LMSpec(max_tokens=4), store=store)
    before = engine.counters()
    answers = [lm("One, two, three,")[0], lm("One, two, three,")[0]]
    spent, after = totals(store.frame()), engine.counters()

    assert answers[0] == answers[1]
    assert (1, 0.0) == (spent.calls, spent.usd)
    assert spent.tokens == (after.prompt_tokens + after.completion_tokens) - (
        before.prompt_tokens + before.completion_tokens
    )


def test_repeats_of_a_sampled_question_are_drawn_apart(engine: EmbeddedEngine, tmp_path: Path) -> None:
    """Each repeat has its own seed, so a fresh store draws the same texts again."""
    drawn = []
    for name, repeats in (("one", 3), ("two", 2)):
        lm = connect(LMSpec(max_tokens=5, temperature=1.0), store=CallStore(tmp_path / name))
        drawn.append([lm("My favourite")[0] for _ in range(repeats)])

    assert 3 == len(set(drawn[0]))
    assert drawn[0][:2] == drawn[1]


def test_there_is_one_engine(engine: EmbeddedEngine) -> None:
    """However often it is asked for."""
    assert engine is embedded_engine()


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the cache folder that is not the pinned one: named, never loaded."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    (tmp_path / MODEL_FILE).write_bytes(b"GGUF tampered")

    with pytest.raises(LMError, match=r"gemma.*gguf': is not the pinned file; delete it"):
        weights()
    with pytest.raises(LMError, match="is not the pinned file"):
        EmbeddedEngine()


def test_a_folder_that_can_t_hold_them_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the cache folder should be."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "file"))

    with pytest.raises(LMError, match="WORKBENCH_CACHE"):
        weights()
