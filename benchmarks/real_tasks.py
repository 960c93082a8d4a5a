"""Two real tasks for the embedded model: calling the leaderboard's tools, and telling 77 intents of messages apart."""

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.shared_data import shared
from workbench.agents import AgentSpec
from workbench.core import Budget, Case, Corpus, ExpectedCall, ToolSpec, catalogue, stream
from workbench.datasets import Sizes, build_evalset, default_cache, fetch, load_bfcl, load_registry
from workbench.lms import LMSpec
from workbench.retrieval import Index, IndexSpec, build_index

MODEL = LMSpec(model="embedded", max_tokens=96)


class Size(NamedTuple):
    """How much of a task is used."""

    train: int
    val: int
    test: int
    budget: Budget


@dataclass(frozen=True)
class Problem:
    """A task to optimize for."""

    name: str
    start: AgentSpec
    index: Callable[[IndexSpec], Index]
    """The catalogue's index as a spec says."""
    train: tuple[Case, ...]
    val: tuple[Case, ...]
    test: tuple[Case, ...]
    evalset: str


def tool_calling(size: Size, seed: int) -> Problem:
    """The main experiment's task, without requests that no tool serves."""
    data = load_bfcl(fetch(load_registry().entry("bfcl_v4"), cache=default_cache()))
    sizes = Sizes(train=size.train, val=size.val, test=size.test)
    drawn, _report = build_evalset("bfcl_v4", data.cases, sizes=sizes, abstention_share=0.0, seed=seed, sources=())
    spec = AgentSpec(lm=MODEL, index=IndexSpec(retriever="bm25"), layout="documented")
    indexed = _indexed(catalogue("bfcl_v4", data.tools))
    return Problem("tool_calling", spec, indexed, drawn.train, drawn.val, drawn.test, drawn.digest)


def _indexed(tools: Corpus) -> Callable[[IndexSpec], Index]:
    """Indexes of a catalogue, each built once; its vectors are computed once."""
    tokenizer = next(fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache()).rglob("tokenizer.json"))
    built: dict[IndexSpec, Index] = {}

    def index(spec: IndexSpec) -> Index:
        if spec not in built:
            like = next((one for one in built.values() if one.vectors is not None), None)
            built[spec] = build_index(tools, spec, tokenizer=tokenizer, like=like)
        return built[spec]

    return index


def banking77(size: Size, seed: int) -> Problem:
    """Messages to one of 77 intents, through one tool with one argument; each split has as many of each as it can."""
    folder = shared("banking77")
    intents = json.loads((folder / "categories.json").read_text(encoding="utf-8"))
    values: dict[str, object] = {"type": "string", "description": "What the customer wants.", "enum": sorted(intents)}
    tool = ToolSpec.model_validate(
        {
            "name": "route",
            "description": "Sends a customer's message to those who deal with what it is about.",
            "parameters": {"type": "object", "properties": {"intent": values}, "required": ["intent"]},
        }
    )
    train = _messages(folder / "train.csv", tool, "train", seed)
    test = _messages(folder / "test.csv", tool, "test", seed)
    # By meaning, since a message need not share a word with the only tool there is.
    spec = AgentSpec(lm=MODEL, index=IndexSpec(retriever="dense"), layout="signature")
    learnt, val = train[: size.train], train[size.train : size.train + size.val]
    indexed = _indexed(catalogue("banking77", (tool,)))
    return Problem("banking77", spec, indexed, learnt, val, test[: size.test], f"banking77 {seed} {size.test}")


def _messages(path: Path, tool: ToolSpec, split: str, seed: int) -> tuple[Case, ...]:
    """The messages in random order, intents by turns, so that any beginning has as many of each as it can."""
    by_intent: defaultdict[str, list[str]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            by_intent[row["category"]].append(row["text"].strip())
    for intent in sorted(by_intent):
        stream(seed, split, intent).shuffle(by_intent[intent])
    order = sorted(by_intent)
    stream(seed, split, "intents").shuffle(order)
    most = max(map(len, by_intent.values()))
    drawn = [
        (intent, by_intent[intent][turn]) for turn in range(most) for intent in order if turn < len(by_intent[intent])
    ]
    return tuple(
        Case(
            case_id=f"{split}-{number:05}",
            request=text,
            expected=ExpectedCall(tool=tool, arguments={"intent": [intent]}),
            cluster=f"{split}-{number:05}",
        )
        for number, (intent, text) in enumerate(drawn)
    )
