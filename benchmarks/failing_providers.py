"""Providers that fail: do tasks end right or with a typed error, at how many calls, and does the breaker open?

    python -m benchmarks.failing_providers [--quick] [--json FILE]

Rules:

- A task is `dspy.Predict("question -> answer: int")` on a sum, through a model that `workbench.lms.connect` gave,
  eight at once, without a call store, so that nothing comes from memory. It ends right if the sum is right; it fails
  safely if what it raises is one of our errors, or dspy's error for an answer that has not the form it must have. A
  wrong sum, any other error, and a task that takes longer than its deadline count against the target.
- A provider is a server on loopback, asked over HTTP. "As stated" is 30 % of requests answered 503, 10 % never, 5 %
  with garbage (a gateway's page, JSON cut short, no choices, nothing, words without the form), 5 % 429 with
  Retry-After: 1; drawn from a seeded stream. So half of what it is asked fails, whoever asks.
- Calls are the requests that reach any server, over the tasks.
- The breaker is tried with a provider that answers only 503, one task at a time: none is under way when it opens.
- dspy.LM with its defaults (3 retries, its cache off) asks a provider as stated, with the same time limit, in the same
  run, on fewer tasks, since it waits 1, 2 and 4 seconds between attempts: a reference, not a target.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import dspy
from dspy.utils.exceptions import AdapterParseError, LMError

from benchmarks.failing_server import Provider, serving
from benchmarks.figures import Figure, conclude
from workbench.agents import blamed
from workbench.core import LMError as NoModel
from workbench.core import WorkbenchError, boundary, stream
from workbench.lms import LMSpec, connect

SEED = 23
TASKS, QUICK_TASKS = 1000, 200
PEER_TASKS, QUICK_PEER_TASKS = 150, 40
AT_ONCE = 8
TIMEOUT_SECONDS = 2.0
DEADLINE_SECONDS = 10.0
SLACK_SECONDS = 2.0
"""What a loaded machine may add to a deadline."""
AS_STATED = {"5xx": 0.30, "hang": 0.10, "garbage": 0.05, "429": 0.05}
ADAPTER = dspy.ChatAdapter(use_json_adapter_fallback=False)
"""So that a task is one question, ours and the peer's."""
KEY = "FAILING_PROVIDERS_KEY"


@dataclass
class Outcome:
    """How the tasks of one setting ended."""

    ends: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    requests: int = 0

    def share(self, *names: str) -> float:
        """Percent of the tasks that ended so."""
        return 100 * sum(self.ends[name] for name in names) / self.ends.total()

    def per_task(self) -> float:
        """Requests over tasks."""
        return self.requests / self.ends.total()


def attempt(lm: dspy.LM, number: int) -> str:
    """One task: "right", "wrong", "typed" or "untyped"."""
    random = stream(SEED, "task", str(number))
    one, other = random.randrange(100, 1000), random.randrange(100, 1000)
    try:
        with boundary(NoModel, "untyped"), dspy.context(lm=lm, adapter=ADAPTER):
            try:
                said = dspy.Predict("question -> answer: int")(question=f"what is {one} plus {other}? ({number})")
            except AdapterParseError:
                return "typed"
            except LMError as error:
                raise blamed(error) from error
        return "right" if said.answer == one + other else "wrong"
    except WorkbenchError as error:
        return "untyped" if str(error).startswith("untyped") else "typed"


def run(lm: dspy.LM, tasks: int, providers: Sequence[Provider], at_once: int = AT_ONCE) -> Outcome:
    """So many tasks."""
    outcome = Outcome()

    def work(number: int) -> tuple[str, float]:
        began = time.monotonic()
        return attempt(lm, number), time.monotonic() - began

    with ThreadPoolExecutor(at_once) as pool:
        for end, seconds in pool.map(work, range(tasks)):
            outcome.ends[end] += 1
            outcome.seconds.append(seconds)
    outcome.requests = sum(provider.asked.total() for provider in providers)
    return outcome


def routed(providers: Sequence[Provider]) -> dspy.LM:
    """Our model over these providers, in order."""
    first, *others = [
        {"model": f"openai/model-{number}", "base_url": one.address, "key_env": KEY}
        for number, one in enumerate(providers)
    ]
    return connect(
        LMSpec.model_validate(
            {**first, "fallback": others, "timeout_seconds": TIMEOUT_SECONDS, "deadline_seconds": DEADLINE_SECONDS}
        )
    )


def setting(name: str, providers: Sequence[Provider], tasks: int) -> list[Figure]:
    """Our figures of one setting."""
    with serving(*providers):
        outcome = run(routed(providers), tasks, providers)
    late = sum(seconds > DEADLINE_SECONDS + SLACK_SECONDS for seconds in outcome.seconds)
    safe = outcome.share("right", "typed") - 100 * late / tasks
    calls = outcome.per_task()
    return [
        Figure(f"{name}: right or safely failed, % of {tasks}", safe, ">= 99.5", safe >= 99.5),
        Figure(f"{name}: right, %", outcome.share("right")),
        Figure(f"{name}: calls a task", calls, "<= 1.5", calls <= 1.5),
        Figure(f"{name}: slowest task, s", max(outcome.seconds)),
    ]


def breaker() -> list[Figure]:
    """How many failures of a dead provider it takes until it is left alone: until a task no longer asks it."""
    dead, sound = Provider({"5xx": 1.0}, SEED), Provider({}, SEED)
    with serving(dead, sound):
        lm = routed([dead, sound])
        for number in range(20):
            asked = dead.asked.total()
            attempt(lm, number)
            if dead.asked.total() == asked:
                break
        failures = dead.asked.total()
    return [Figure("a dead provider: failures until the breaker is open", failures, "<= 5", 0 < failures <= 5)]


def peer(tasks: int) -> list[Figure]:
    """dspy.LM as it comes, on one provider as stated."""
    provider = Provider(AS_STATED, SEED)
    with serving(provider):
        lm = dspy.LM(
            "openai/model-0",
            api_base=provider.address,
            api_key=os.environ[KEY],
            cache=False,
            timeout=TIMEOUT_SECONDS,
            temperature=0.0,
            max_tokens=128,
        )
        outcome = run(lm, tasks, [provider])
    return [
        Figure(f"dspy.LM, one provider as stated: right, % of {tasks}", outcome.share("right")),
        Figure("dspy.LM: right or dspy's own error, %", outcome.share("right", "typed")),
        Figure("dspy.LM: calls a task", outcome.per_task()),
        Figure("dspy.LM: slowest task, s", max(outcome.seconds)),
    ]


def measure(tasks: int, peer_tasks: int) -> list[Figure]:
    """Every setting."""
    settings: dict[str, Callable[[], list[Provider]]] = {
        "first as stated, second sound": lambda: [Provider(AS_STATED, SEED), Provider({}, SEED + 1)],
        "two as stated": lambda: [Provider(AS_STATED, SEED), Provider(AS_STATED, SEED + 1)],
        "one as stated, alone": lambda: [Provider(AS_STATED, SEED)],
    }
    figures = [figure for name, make in settings.items() for figure in setting(name, make(), tasks)]
    return [*figures, *breaker(), *peer(peer_tasks)]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failing_providers", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TASKS} tasks a setting instead of {TASKS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    os.environ[KEY] = "sk-no-key-at-all"
    print("scripted providers on loopback")
    return conclude(
        measure(
            QUICK_TASKS if options.quick else TASKS,
            QUICK_PEER_TASKS if options.quick else PEER_TASKS,
        ),
        options.json,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
