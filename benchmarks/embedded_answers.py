"""How often does the embedded model answer the same question differently?

An uninterrupted run and one that was killed and resumed ask the same questions, but not beside the same neighbours and
not after the same prefixes. Here the same prompts are asked one after another, in another order (so that another
prefix is warm), and two at a time (so that they share a batch); what is counted is how many whole answers differ from
the first pass. Nothing is tuned to make them equal: the figure is the reason why a run's answers are kept in the call
store, where a resumed run finds them byte for byte.

    python -m benchmarks.embedded_answers [--quick] [--json FILE]

Label: measured with the embedded model. The target is for what a resumed run does by itself (one at a time, another
order); two at a time is shown for comparison.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dspy.lm15 import Config, Message, Request

from workbench.agents import argument_schema, render_tool
from workbench.core import Case, ExpectedCall
from workbench.datasets import default_cache, fetch, load_bfcl, load_registry
from workbench.evals import render_table
from workbench.lms import EmbeddedEngine

TARGET = 0.05
"""Share of answers that may differ when asked one at a time in another order."""


def requests(count: int) -> list[Request]:
    """One request to fill a tool's arguments for each of the first cases."""
    cases = load_bfcl(fetch(load_registry().entry("bfcl_v4"), cache=default_cache())).cases
    calls = [case for case in cases if isinstance(case.expected, ExpectedCall)]
    return [_request(case) for case in calls[:: len(calls) // count][:count]]


def _request(case: Case) -> Request:
    assert isinstance(case.expected, ExpectedCall)
    tool = case.expected.tool
    prompt = f"Tool: {render_tool(tool, 'documented')}\nRequest: {case.request}\nArguments:\n"
    constraint = {"type": "json_schema", "schema": argument_schema(tool, "required"), "name": "arguments"}
    config = Config(max_tokens=64, temperature=0.0, response_format=constraint)
    return Request(model="embedded", messages=(Message.user(prompt),), config=config)


def measure(count: int) -> dict[str, float]:
    """Share of answers, in [0, 1], that differ from those of a first pass one at a time."""
    asked = requests(count)
    one, two = EmbeddedEngine(slots=1), EmbeddedEngine(slots=2)
    first = _one_by_one(one, asked)
    again = _one_by_one(one, asked)
    backwards = _one_by_one(one, asked[::-1])[::-1]
    together = _two_at_a_time(two, asked)
    return {
        "same order again": _changed(first, again),
        "another order": _changed(first, backwards),
        "two at a time": _changed(first, together),
    }


def _one_by_one(engine: EmbeddedEngine, asked: Sequence[Request]) -> list[str]:
    return [engine.complete(request).message.text or "" for request in asked]


def _two_at_a_time(engine: EmbeddedEngine, asked: Sequence[Request]) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda request: engine.complete(request).message.text or "", asked))


def _changed(first: Sequence[str], other: Sequence[str]) -> float:
    return sum(one != two for one, two in zip(first, other, strict=True)) / len(first)


def main() -> int:
    """Measure, print the table, and say by the exit code whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="8 prompts instead of 60")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    arguments = parser.parse_args()
    count = 8 if arguments.quick else 60
    figures = measure(count)
    targets = {"another order": f"at most {TARGET:.0%}"}
    rows = [(name, f"{share:.1%}", targets.get(name, "shown")) for name, share in figures.items()]
    print(f"answers that differ from a first pass, {count} prompts, embedded model")
    print(render_table(("asked", "changed", "target"), rows))
    if arguments.json:
        arguments.json.write_text(json.dumps({"prompts": count, "changed": figures}, indent=1) + "\n")
    return 0 if figures["another order"] <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
