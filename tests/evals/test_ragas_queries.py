"""A model that follows Ragas's prompts writes questions, each call accounted for; one that can't is refused."""

import json

import pytest

from workbench.core import ConfigError, Document, LMError
from workbench.evals.ragas_queries import CALLS_FOR_EACH, MODULE, PERSONAS, check_writer, write_queries
from workbench.lms import LMSpec, scope, scripted_lm

DOCUMENTS = tuple(
    Document(doc_id=name.lower(), text=f"{name} opens a door to the valley.") for name in ("Andeer", "Bivio", "Cama")
)


NAMES = tuple(document.text.split()[0] for document in DOCUMENTS)


def answer(prompt: str) -> str:
    """What each of Ragas's four prompts wants, made of what it shows."""
    shown = prompt.rpartition("Now perform the same with the following input")[2]
    wanted = prompt.rpartition("JSON Schema and nothing else:")[2]
    if '"mapping"' in wanted:
        return json.dumps({"mapping": {f"Hiker of {name}": list(NAMES) for name in NAMES}})
    if '"query"' in wanted:
        term = next(name for name in NAMES if f'"term": "{name}"' in shown)
        return json.dumps({"query": f"Where does {term} lead?", "answer": "To the valley."})
    name = next(name for name in NAMES if name in shown)
    persona = {"name": f"Hiker of {name}", "role_description": "walks"}
    return json.dumps(persona if '"role_description"' in wanted else {"entities": [name]})


def test_each_document_gets_a_question_of_its_own() -> None:
    """The question names its document; the same seed writes the same; every call stands in the ledger."""
    lm = scripted_lm(answer, spec=LMSpec(model="scripted", max_tokens=500))
    with scope(run="r") as tally:
        found = write_queries(DOCUMENTS, lm, count=2, seed=5)

    assert [f"Where does {one.doc_id.title()} lead?" for one in found] == [one.query for one in found]
    assert (2, 2) == (len(found), len({one.doc_id for one in found}))
    assert found == write_queries(DOCUMENTS, lm, count=2, seed=5)
    assert [MODULE] * (PERSONAS + 2 * CALLS_FOR_EACH) == [one.where.module for one in tally.calls()]


def test_who_can_not_write_is_refused() -> None:
    """The embedded model before anything is asked; another one that answers in another form at its first answer."""
    with pytest.raises(ConfigError, match="small base model"):
        check_writer("embedded")
    with pytest.raises(ConfigError, match="small base model"):
        write_queries(DOCUMENTS, scripted_lm(answer, spec=LMSpec(model="embedded")), count=1, seed=0)
    with pytest.raises(LMError, match="is no Persona"):
        write_queries(DOCUMENTS, scripted_lm(lambda _prompt: "Once upon a time"), count=1, seed=0)
