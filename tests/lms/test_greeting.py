"""A model that can't be reached is found by one short question."""

from pathlib import Path

import pytest

from workbench.core import LMError
from workbench.lms import CallStore, LMSpec, ScriptedEngine, connect, greet, scripted_lm


def test_a_model_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the address: the error names the model, and no key is in it."""
    monkeypatch.setenv("SOME_KEY", "sk-not-to-be-shown-0123456789")
    address = "http://127.0.0.1:9/v1"
    spec = LMSpec(model="openai/nobody", base_url=address, key_env="SOME_KEY", timeout_seconds=1, deadline_seconds=1)
    lm = connect(spec)
    with pytest.raises(LMError, match="lm 'openai/nobody': does not answer") as caught:
        greet(lm)

    assert "sk-not" not in str(caught.value)


def test_a_workspace_asks_once(tmp_path: Path) -> None:
    """The answer is kept like any other, so a second run makes no call."""
    engine = ScriptedEngine(lambda _prompt: "yes")
    lm = scripted_lm(engine, store=CallStore(tmp_path / "calls.db"))
    greet(lm)
    greet(lm)

    assert 1 == engine.calls
