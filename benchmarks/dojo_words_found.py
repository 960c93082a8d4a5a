"""Whether anything that only injection tasks say stands in what is declared for the gate."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic_core import to_jsonable_python

from benchmarks.dojo_desk import texts_of
from benchmarks.dojo_facts import EFFECTS, HANDLES, NAMES, OWN, SERVED
from benchmarks.dojo_suites import Call, Suite
from benchmarks.dojo_words import FOLDER, read_words
from workbench.tools import Facts

_WORD = re.compile(r"[^\W_]{3,}")


def foreign_words(suites: Sequence[Suite], more: str = "") -> tuple[str, ...]:
    """Words of goals and ground truths of injection tasks, and whole values of the latter, that are found, sorted.

    Words of three letters or more are looked for in the declarations, and in `more`; values in every file of this
    benchmark as well. What the user tasks or the tools say too is nobody's secret.
    """
    known = " ".join(_known(suites)).casefold()
    known_words = set(_WORD.findall(known))
    declared = f"{declarations()} {more}".casefold()
    declared_words, files = set(_WORD.findall(declared)), f"{declared} {_files()}".casefold()
    words: set[str] = set()
    values: set[str] = set()
    for suite in suites:
        for task in suite.injection_tasks:
            called = [*_values(task.ground_truth(suite.environment({})))]
            words.update(_WORD.findall(" ".join([task.GOAL, *called]).casefold()))
            values.update(value.casefold() for value in called if len(value) > 3)
    found = (words - known_words) & declared_words
    return tuple(sorted(found | {value for value in values if value not in known and value in files}))


def declarations() -> str:
    """Policies, words and facts, without comments."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.cedar"))]
    policies = re.sub(r"//.*", "", "\n".join(texts))
    words = re.sub(r"\\\\b", " ", read_words().model_dump_json())
    facts = {name: facts.model_dump(mode="json") for name, facts in {**EFFECTS, **OWN}.items()}
    return "\n".join([policies, words, json.dumps([facts, dict(SERVED), NAMES, HANDLES])])


def _files() -> str:
    folder = Path(__file__).parent
    paths = [*folder.glob("dojo*.py"), folder / "compromised_planner.py", *FOLDER.iterdir()]
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(paths) if path.is_file())


def _known(suites: Sequence[Suite]) -> Iterator[str]:
    """What user tasks and tools say, and our own words for facts."""
    yield json.dumps(Facts.model_json_schema())
    for suite in suites:
        for task in suite.user_tasks:
            environment = task.init_environment(suite.environment({}))
            yield from (task.PROMPT, *_values(task.ground_truth(environment)))
        for tool in suite.tools:
            yield from (tool.name, tool.full_docstring, json.dumps(tool.parameters.model_json_schema()))


def _values(calls: Sequence[Call]) -> Iterator[str]:
    for call in calls:
        yield from texts_of(to_jsonable_python(dict(call.args)))
