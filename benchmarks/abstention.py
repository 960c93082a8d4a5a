"""Abstention: can an agent tell what it was never taught, and what does it buy to escalate when unsure?

    python -m benchmarks.abstention [--quick] [--json FILE] [--plot FILE] [--vectors FILE]

Label: measured on recorded messages with embeddings and a light classifier; no language-model call. Data: banking77,
PolyAI task-specific datasets, CC BY 4.0; Casanueva et al. 2020, Efficient Intent Detection with Dual Sentence Encoders.

- For each seed 10 of the 77 intents are drawn as out of scope: none of their messages is used for anything but the
  test. Retrieval and classifier know the train messages of the other 67; tested is on all test messages.
- Eight signals (benchmarks/intent_signals.py) become one confidence by a logistic regression. It is fitted on train
  messages alone: the 67 intents are held out in turn, a fifth at a time, so that it sees what unknown intents look
  like; the share of unknown messages is that of the test.
- The headline is the AUROC of in scope against out of scope, as the median over five seeds: which intents are drawn
  matters more than anything else (a copy of a known intent is hard to refuse), and one draw could be a lucky one.
- The operating curve is of another question: is the answer right? A message out of scope is always answered wrongly,
  one in scope where the intent is wrong. It is shown for the seed of the median. Prices are an assumption: a wrong
  answer costs as much as five escalations. The threshold is chosen on train messages, and measured on the test.
- Intervals are 95 %, by intent. Nothing was chosen on the test: signals, neighbours and regularisation are as first
  written.

--quick takes 40 train and 10 test messages of each intent. --vectors keeps the embeddings in a file, for a later run.
"""

import argparse
import csv
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.intent_signals import SIGNALS, Flags, Floats, Intents, Labels, Messages
from benchmarks.shared_data import shared
from workbench.core import Line, WorkbenchError, integer
from workbench.datasets import default_cache, fetch, load_registry
from workbench.evals import render_table
from workbench.evals.selective import (
    Judged,
    Operating,
    Price,
    auroc,
    cheapest,
    judge,
    operate,
    operating_curve,
    risk_area,
    threshold_for,
)
from workbench.retrieval import Embedder

TARGET = 0.90
SEEDS = (0, 1, 2, 3, 4)
HELD_OUT = 10
FOLDS = 5
ASKED = 670
"""Messages in scope that are asked in each fold, and as many more, in the test's proportion, out of scope."""
QUICK = {"train": 40, "test": 10}
PRICE = Price(error=5, escalation=1)
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Data:
    """All messages, which of them are for the test, and the names of the intents."""

    messages: Messages
    test: Labels
    train: Labels
    intents: Sequence[str]


@dataclass(frozen=True)
class Trial:
    """One draw of intents that are out of scope."""

    seed: int
    scope: Line
    """AUROC of in scope against out of scope, by the confidence."""
    signals: dict[str, float]
    """The same by each signal alone."""
    accuracy: float
    """Share of the messages in scope whose intent is found."""
    judged: Judged
    """The test messages: confidence that the answer is right, and whether it is."""
    chosen: Operating
    """At the threshold that was cheapest on train messages."""


def read(*, quick: bool) -> tuple[list[str], list[str], list[str]]:
    """Text, intent and part of each message; quick keeps the first of each intent.

    Raises: DataError if the data is not there.
    """
    texts, intents, parts = [], [], []
    for part, most in QUICK.items():
        counts: dict[str, int] = {}
        with shared(f"banking77/{part}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                counts[row["category"]] = counts.get(row["category"], 0) + 1
                if not quick or counts[row["category"]] <= most:
                    texts.append(row["text"])
                    intents.append(row["category"])
                    parts.append(part)
    return texts, intents, parts


def load(*, quick: bool, vectors: Path | None) -> Data:
    """The messages with their embeddings, computed now or read from the file."""
    texts, intents, parts = read(quick=quick)
    names = sorted(set(intents))
    if vectors is not None and vectors.exists():
        rows = np.load(vectors, allow_pickle=False)
        assert len(rows) == len(texts), f"{vectors} holds vectors of another sample; name another file"
    else:
        tokenizer = fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache()) / "tokenizer.json"
        rows = Embedder(tokenizer).embed(texts)
        if vectors is not None:
            np.save(vectors, rows)
    test = np.array([part == "test" for part in parts])
    labels = np.array([names.index(intent) for intent in intents])
    return Data(Messages(texts, rows, labels), np.flatnonzero(test), np.flatnonzero(~test), names)


def attempt(data: Data, seed: int) -> Trial:
    """Hold intents out, fit on the others' train messages, measure on the test."""
    stream = np.random.default_rng(integer(seed, "intents out of scope"))
    drawn = stream.permutation(len(data.intents))
    unknown, known = drawn[:HELD_OUT], drawn[HELD_OUT:]
    train = data.train[np.isin(data.messages.labels[data.train], known)]
    rows, in_scope, right = rehearse(data.messages, train, known, stream)
    scope, answer = (
        make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, goal) for goal in (in_scope, right)
    )
    tested = data.messages.take(data.test)
    signals, found = Intents(data.messages.take(train)).measure(tested)
    inside = ~np.isin(tested.labels, unknown)
    clusters = [data.intents[label] for label in tested.labels]
    correct = inside & (found == tested.labels)
    rehearsed = judge(answer.decision_function(rows), right, [str(place) for place in range(len(rows))])
    judged = judge(answer.decision_function(signals), correct, clusters)
    return Trial(
        seed=seed,
        scope=auroc(judge(scope.decision_function(signals), inside, clusters)),
        signals={
            name: auroc(judge(column, inside, clusters)).estimate or 0.0
            for name, column in zip(SIGNALS, signals.T, strict=True)
        },
        accuracy=float(correct[inside].mean()),
        judged=judged,
        chosen=operate(judged, cheapest(rehearsed, PRICE).threshold, PRICE),
    )


def rehearse(
    messages: Messages, train: Labels, known: Labels, stream: np.random.Generator
) -> tuple[Floats, Flags, Flags]:
    """Signals of train messages, whether each is in scope, and answered rightly: each fold of intents held out once."""
    rows, in_scope, right = [], [], []
    for held in np.array_split(known, FOLDS):
        outside = np.isin(messages.labels[train], held)
        others, rest = stream.permutation(train[outside]), stream.permutation(train[~outside])
        asked = min(ASKED, len(rest) // 4)
        others = others[: round(asked * HELD_OUT / len(known))]
        queries = messages.take(np.concatenate((rest[:asked], others)))
        signals, found = Intents(messages.take(np.sort(rest[asked:]))).measure(queries)
        inside = np.arange(len(signals)) < asked
        rows.append(signals)
        in_scope.append(inside)
        right.append(inside & (found == queries.labels))
    return np.concatenate(rows), np.concatenate(in_scope), np.concatenate(right)


def headline(trials: Sequence[Trial]) -> Trial:
    """The trial of the median AUROC."""
    return sorted(trials, key=lambda trial: trial.scope.estimate or 0.0)[len(trials) // 2]


def render(trials: Sequence[Trial]) -> str:
    """Each seed, each signal, and what escalation buys."""
    middle = headline(trials)
    seeds = [
        (
            f"{trial.seed}{' (median)' if trial is middle else ''}",
            _bounded(trial.scope.estimate, trial.scope.low, trial.scope.high, ".3f"),
            f"{trial.accuracy:.3f}",
            _bounded((line := auroc(trial.judged)).estimate, line.low, line.high, ".3f"),
            f"{risk_area(trial.judged):.3f}",
        )
        for trial in trials
    ]
    signals = [
        (name, f"{statistics.median(all_ := [trial.signals[name] for trial in trials]):.3f}", f"{min(all_):.3f}")
        for name in SIGNALS
    ]
    heads = ("seed", "AUROC, in scope or not", "intents found", "AUROC, right or not", "area under risk-coverage")
    return "\n\n".join(
        (
            render_table(heads, seeds),
            render_table(("signal alone", "median AUROC", "lowest"), signals),
            render_table(
                ("seed " + str(middle.seed) + ": escalate", "error among answered", "cost of a case"),
                [_row(point) for point in curve(middle)],
            ),
            _prices(middle),
        )
    )


def curve(trial: Trial) -> list[Operating]:
    """What happens at each share of SHARES."""
    return [operate(trial.judged, threshold_for(trial.judged, share), PRICE) for share in SHARES]


def _row(point: Operating) -> tuple[str, str, str]:
    error = [None if value is None else 100 * value for value in (point.error, point.error_low, point.error_high)]
    return (
        f"{100 * point.escalated:.1f} %",
        "none is answered" if point.error is None else f"{_bounded(error[0], error[1], error[2], '.1f')} %",
        _bounded(point.cost, point.cost_low, point.cost_high, ".2f"),
    )


def _prices(trial: Trial) -> str:
    """What each policy costs, in escalations a case."""
    policies = (
        ("answer all", operate(trial.judged, float(trial.judged.confidence.min()), PRICE)),
        ("escalate all", operate(trial.judged, None, PRICE)),
        ("threshold chosen on train", trial.chosen),
        ("best threshold in hindsight", cheapest(trial.judged, PRICE)),
    )
    rows = [(name, *_row(point)) for name, point in policies]
    return render_table((f"error {PRICE.error:g}, escalation {PRICE.escalation:g}", "escalate", "error", "cost"), rows)


def _bounded(value: float | None, low: float | None, high: float | None, form: str) -> str:
    if value is None:
        return "unmeasured"
    return f"{value:{form}}" + ("" if low is None or high is None else f" [{low:{form}}, {high:{form}}]")


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether the target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.abstention", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="40 train and 10 test messages of each intent")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the operating curve as PNG")
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="keep the embeddings there (.npy), or read them")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        data = load(quick=options.quick, vectors=options.vectors)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    embedded = time.perf_counter()
    with threadpool_limits(1):  # at these sizes two threads wait for each other ten times as long as one computes
        trials = [attempt(data, seed) for seed in SEEDS]
    size = f"{len(data.train)} train and {len(data.test)} test messages{', quick' if options.quick else ''}"
    print(f"banking77 (CC BY 4.0, Casanueva et al. 2020), {HELD_OUT} of {len(data.intents)} intents held out; {size}")
    print("label: recorded messages, embeddings and a light classifier, no language-model call")
    print(f"embeddings {embedded - began:.0f} s, {len(SEEDS)} seeds {time.perf_counter() - embedded:.0f} s\n")
    print(render(trials))
    middle = headline(trials)
    found = middle.scope.estimate or 0.0
    met = found >= TARGET
    print(f"\ntarget {'met' if met else 'MISSED'}: median AUROC {found:.3f} over {len(SEEDS)} seeds, at least {TARGET}")
    if options.plot is not None:
        from workbench.tracking import draw_operating_curve  # noqa: PLC0415 - it loads MLflow, which takes seconds

        title = f"What escalation buys: banking77, {HELD_OUT} intents out of scope, seed {middle.seed}"
        options.plot.write_bytes(draw_operating_curve(operating_curve(middle.judged, PRICE), title=title))
    if options.json is not None:
        options.json.write_text(json.dumps(_figures(trials, quick=options.quick, met=met), indent=1) + "\n")
    return 0 if met else 1


def _figures(trials: Sequence[Trial], *, quick: bool, met: bool) -> dict[str, object]:
    middle = headline(trials)
    return {
        "target_auroc": TARGET,
        "met": met,
        "quick": quick,
        "median_seed": middle.seed,
        "seeds": [
            {
                "seed": trial.seed,
                "auroc": trial.scope.model_dump(),
                "signals": trial.signals,
                "accuracy": trial.accuracy,
                "auroc_right": auroc(trial.judged).model_dump(),
                "risk_area": risk_area(trial.judged),
                "chosen": trial.chosen.model_dump(),
            }
            for trial in trials
        ],
        "price": PRICE.model_dump(),
        "operating_curve": [point.model_dump() for point in curve(middle)],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
