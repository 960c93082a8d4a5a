"""Questions that a language model writes to documents, by Ragas's test-set generation; with `ragas` its only importer.

For each document Ragas asks what it names, which of some personas would care, and for one question of one of them in
one of four styles and three lengths, with its answer. Its prompts are taken as they are, and asked one after the other
through a model of ours, so that each call is accounted for; its own executor would start threads and patch the loop.
Nobody has looked at what comes out: it goes to a person before anything is tuned or measured by it.
Source: Es et al. 2024, RAGAS: Automated Evaluation of Retrieval Augmented Generation; the code of ragas 0.4.3.
"""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from workbench.core import ConfigError, Document, EvaluationError, Record, boundary, stream
from workbench.evals.ragas import structured

if TYPE_CHECKING:
    import dspy
    from ragas.testset.persona import Persona

PERSONAS = 3
CALLS_FOR_EACH = 3
"""Calls for a document: what it names, who would care, and the question."""
MOST_CHARACTERS = 4_000
"""Of a document, as the model is shown it."""
_TERMS = 10  # of a document; Ragas's own number
MODULE = "questions"
"""What the ledger calls it."""


class WrittenQuery(Record):
    """A question that a model wrote to a document; whether that answers it, nobody has said."""

    query: str = Field(min_length=1)
    answer: str
    doc_id: str
    persona: str = ""
    style: str = ""


def check_writer(model: str) -> None:
    """Do nothing if a model of that name may write questions.

    Raises: ConfigError for the embedded one: it is a small base model, that continues a text and follows no prompt.
    """
    from workbench.lms import EMBEDDED  # noqa: PLC0415 - loads a language-model library

    if model == EMBEDDED:
        raise ConfigError(
            f"lm {model!r}: is a small base model that continues texts; it can't write questions in the form that "
            "Ragas asks for. Name a capable one, as provider/model, or draw known items, which need none"
        )


def write_queries(documents: Sequence[Document], lm: "dspy.LM", *, count: int, seed: int) -> tuple[WrittenQuery, ...]:
    """Up to `count` questions to as many documents, drawn by seed; fewer if the model finds nothing to ask.

    Costs `PERSONAS` calls, and `CALLS_FOR_EACH` for each of at most 2 · `count` documents.
    Raises: ConfigError for a model that can't; LMError or BudgetExceeded if it does not answer as it is asked to;
    EvaluationError if Ragas can't use what it says.
    """
    check_writer(str(lm.model))
    drawn = [document for document in documents if document.text.strip()]
    stream(seed, "written queries").shuffle(drawn)
    from workbench.lms import scope  # noqa: PLC0415 - as above

    found: list[WrittenQuery] = []
    with boundary(EvaluationError, f"questions of lm {lm.model!r}"), _seeded(seed), scope(module=MODULE):
        personas = [asyncio.run(_persona(lm, document)) for document in drawn[:PERSONAS]]
        for document in drawn[: 2 * count]:
            if len(found) < count and (written := asyncio.run(_written(lm, document, personas))) is not None:
                found.append(written)
    return tuple(found)


async def _persona(lm: "dspy.LM", document: Document) -> "Persona":
    """Somebody who would read a document."""
    _silence()
    from ragas.prompt import StringIO  # noqa: PLC0415 - takes seconds
    from ragas.testset.persona import PersonaGenerationPrompt  # noqa: PLC0415

    return await PersonaGenerationPrompt().generate(llm=structured(lm), data=StringIO(text=_shown(document)))


async def _written(lm: "dspy.LM", document: Document, personas: "Sequence[Persona]") -> WrittenQuery | None:
    """One question to a document; None if it names nothing that a persona cares for."""
    from ragas.dataset_schema import SingleTurnSample  # noqa: PLC0415 - takes seconds
    from ragas.testset.graph import KnowledgeGraph, Node, NodeType  # noqa: PLC0415 - takes seconds
    from ragas.testset.synthesizers.single_hop.specific import SingleHopSpecificQuerySynthesizer  # noqa: PLC0415
    from ragas.testset.transforms.extractors.llm_based import NERPrompt, TextWithExtractionLimit  # noqa: PLC0415

    model, text = structured(lm), _shown(document)
    named = await NERPrompt().generate(model, data=TextWithExtractionLimit(text=text, max_num=_TERMS))
    terms = sorted({term for term in named.entities if term.strip()})
    if not terms:
        return None
    node = Node(type=NodeType.DOCUMENT, properties={"page_content": text, "entities": terms})
    writer = SingleHopSpecificQuerySynthesizer(llm=model)
    different = list({persona.name: persona for persona in personas}.values())
    scenarios = await writer.generate_scenarios(1, KnowledgeGraph(nodes=[node]), different)
    if not scenarios:
        return None
    one = await writer.generate_sample(scenarios[0])
    assert isinstance(one, SingleTurnSample), "what this synthesizer makes"
    query = str(one.user_input or "").strip()
    if not query:
        return None
    return WrittenQuery(
        query=query,
        answer=str(one.reference or ""),
        doc_id=document.doc_id,
        persona=one.persona_name or "",
        style=one.query_style or "",
    )


def _shown(document: Document) -> str:
    return f"{document.title}\n{document.text}".strip()[:MOST_CHARACTERS]


def _silence() -> None:
    os.environ.setdefault("RAGAS_DO_NOT_TRACK", "true")  # before it is imported, or it reports what it is used for


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Ragas draws terms, personas and styles from Python's own generator, which is left as it was."""
    state = random.getstate()
    random.seed(f"{seed} written queries")
    try:
        yield
    finally:
        random.setstate(state)
