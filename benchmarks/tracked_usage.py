"""What dspy's own tracker says of the tokens that a program used; a part of `benchmarks.ledger`."""

import contextlib

import dspy

from workbench.lms import ScriptedEngine, scripted_lm


class Program(dspy.Module):  # type: ignore[misc]
    """What is evaluated: one call of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("request -> answer")

    def forward(self, request: str) -> dspy.Prediction:
        """Answer one request."""
        return self.answer(request=request)


def say(_prompt: str) -> str:
    """The model: at once, in the form that dspy's chat adapter reads."""
    return "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"


def tracked_usage(cases: int, threads: int) -> tuple[float, str]:
    """Percent of the tokens that the tracker reports on so many threads, and what it gave."""
    engine = ScriptedEngine(say)
    examples = [dspy.Example(request=f"Is it {n}?").with_inputs("request") for n in range(cases)]
    with (
        dspy.context(lm=scripted_lm(engine)),
        dspy.track_usage() as tracker,
        contextlib.redirect_stdout(None),
    ):
        dspy.Evaluate(devset=examples, metric=lambda *_: 1.0, num_threads=threads, display_progress=False)(Program())
    found = tracker.get_total_tokens()
    tokens = sum(one.get("prompt_tokens", 0) + one.get("completion_tokens", 0) for one in found.values())
    return 100.0 * tokens / (engine.prompt_tokens + engine.completion_tokens), "tokens by model" if found else "{}"
