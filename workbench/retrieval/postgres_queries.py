"""What is asked of an index in PostgreSQL: rankings, cut by the conditions of a view."""

import json
from collections.abc import Mapping, Sequence

from workbench.core import Scalar
from workbench.retrieval.view import Condition, View

Value = str | int | float | list[str] | list[float]
Parameters = dict[str, Value]

MATCH = """
WITH scored AS MATERIALIZED (
    -- Whole numbers are added, so the order of addition moves no digit.
    SELECT p.number, sum(round(a.worth * p.count * (%(k1)s + 1)
        / (p.count + %(k1)s * (1 - %(b)s + %(b)s * p.length / %(average)s)) * 1e9)) / 1e9 AS score
    FROM unnest(%(words)s::text[], %(worths)s::float8[]) AS a (word, worth)
    JOIN postings p ON p.word = a.word COLLATE "C" {narrowed}
    GROUP BY p.number),
least AS (SELECT min(score) AS score FROM (SELECT score FROM scored ORDER BY score DESC LIMIT %(depth)s) AS best)
SELECT d.doc_id, s.score FROM scored s JOIN documents d USING (number), least
WHERE s.score >= least.score AND s.score > 0 ORDER BY s.score DESC, d.doc_id LIMIT %(depth)s
"""
"""The best by BM25. Source: Robertson and Zaragoza 2009; `worths` are inverse document frequencies, each as often as
its word is asked for."""

NEAR = """
SELECT doc_id, cosine FROM (
    SELECT d.doc_id, round((d.vector::vector <#> %(vector)s::vector) * -1e6) / 1e6 AS cosine
    FROM documents d WHERE {conditions}) AS all_of_them
ORDER BY cosine DESC, doc_id LIMIT %(depth)s
"""
"""The nearest, by looking at every vector that the caller may see: a graph would miss what a narrow caller has."""

PUT_AUDIENCES = """
INSERT INTO audiences (digest, readers)
SELECT decode(t.digest, 'hex'), ARRAY(SELECT jsonb_array_elements_text(t.readers::jsonb))
FROM unnest(%(digests)s::text[], %(readers)s::text[]) AS t (digest, readers) ON CONFLICT (digest) DO NOTHING
"""

DELETE = """
WITH gone AS (DELETE FROM documents WHERE doc_id = ANY (%(ids)s) RETURNING number, length),
lost AS (DELETE FROM postings p USING gone g WHERE p.number = g.number RETURNING p.word),
counted AS (SELECT word, count(*) AS times FROM lost GROUP BY word),
lowered AS (UPDATE words w SET documents = w.documents - c.times FROM counted c WHERE w.word = c.word)
UPDATE manifest SET documents = documents - (SELECT count(*) FROM gone),
    words = words - (SELECT coalesce(sum(length), 0) FROM gone)
"""

COUNT_WORDS = """
INSERT INTO words (word, documents) SELECT * FROM unnest(%(words)s::text[], %(times)s::bigint[])
ON CONFLICT (word) DO UPDATE SET documents = words.documents + excluded.documents
"""

CONFIRM = """
UPDATE documents d SET read = t.read FROM unnest(%(ids)s::text[], %(reads)s::bigint[]) AS t (doc_id, read)
WHERE d.doc_id = t.doc_id COLLATE "C"
"""

CLEAN = (
    "DELETE FROM words WHERE documents = 0",
    "DELETE FROM audiences a WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.audience = a.id)",
)
"""What no living document has is not kept."""


def conditions(view: View, only: Sequence[str]) -> tuple[str, Parameters]:
    """What documents `d` have to be, in SQL, with its parameters; "true" if nothing is asked.

    Numbers are numbers whatever their type, text is ordered by its code points, and what is neither the same nor of
    the same kind fails: as `Condition.holds` has it.
    """
    terms: list[str] = []
    parameters: Parameters = {}
    if only:
        terms.append("d.doc_id = ANY (%(only)s)")
        parameters["only"] = list(only)
    for number, condition in enumerate(view.where):
        field = f"field_{number}"
        parameters[field] = condition.field
        if condition.one_of:
            terms.append(f"d.fields -> %({field})s::text = ANY (%(values_{number})s::jsonb[])")
            parameters[f"values_{number}"] = [json.dumps(value) for value in condition.one_of]
        terms += _limits(condition, number, parameters)
    return " AND ".join(terms) or "true", parameters


def _limits(condition: Condition, number: int, parameters: Parameters) -> list[str]:
    terms = []
    limits: Mapping[str, Scalar | None] = {">=": condition.at_least, "<=": condition.at_most}
    for place, (sign, limit) in enumerate(limits.items()):
        name, field = f"limit_{number}_{place}", f"%(field_{number})s::text"
        if limit is None:
            continue
        if isinstance(limit, bool):
            terms.append("false")
            continue
        kind = "string" if isinstance(limit, str) else "number"
        compared = (
            f'(d.fields ->> {field}) COLLATE "C" {sign} %({name})s'
            if kind == "string"
            else f"(d.fields ->> {field})::numeric {sign} %({name})s::numeric"
        )
        # CASE, because a cast may else be made before the kind is looked at.
        terms.append(f"CASE WHEN jsonb_typeof(d.fields -> {field}) = '{kind}' THEN {compared} ELSE false END")
        parameters[name] = limit if isinstance(limit, str) else repr(limit)
    return terms
