"""Who asks, and what an answer may come from, as Qdrant's filters over what its points say of their documents.

Values are compared as tags, for in Qdrant's local mode 1 equals true; limits with numbers that name their field.
"""

from collections.abc import Iterable, Sequence

from qdrant_client import models

from workbench.core import RetrievalError, Scalar
from workbench.retrieval.engine import principals_of
from workbench.retrieval.view import Condition, View


def tag(field: str, value: Scalar) -> str:
    """A field and its value, the same for equal numbers whatever their type.

    >>> tag("year", 1) == tag("year", 1.0), tag("year", 1) == tag("year", True), tag("year", 1) == tag("year", "1")
    (True, False, False)
    """
    if isinstance(value, bool):
        spelled = f"flag {value}"
    elif isinstance(value, str):
        spelled = f"text {value}"
    else:
        whole = isinstance(value, float) and value.is_integer()
        spelled = f"number {int(value) if whole else value!r}"
    return f"{field}\x1f{spelled}"


def number_cells(fields: Iterable[tuple[str, Scalar]]) -> list[dict[str, str | float]]:
    """The numbers among the fields, which limits are compared with."""
    return [{"field": field, "value": float(value)} for field, value in fields if not isinstance(value, str | bool)]


def alive(generation: int) -> list[models.Condition]:
    """What a point has to be to live in a generation."""
    return [
        models.FieldCondition(key="born", range=models.Range(lte=generation)),
        models.FieldCondition(key="died", range=models.Range(gt=generation)),
    ]


def among(ids: Sequence[str]) -> models.Condition:
    """That it is of one of these documents."""
    return models.FieldCondition(key="doc_id", match=models.MatchAny(any=list(ids)))


def visible_to(view: View) -> list[models.Condition]:
    """What a point has to be so that a view shows it.

    Raises: RetrievalError for a limit on text, which Qdrant doesn't compare.
    """
    found: list[models.Condition] = [
        models.FieldCondition(key="readers", match=models.MatchAny(any=principals_of(view)))
    ]
    for condition in view.where:
        if condition.one_of:
            tags = [tag(condition.field, value) for value in condition.one_of]
            found.append(models.FieldCondition(key="tags", match=models.MatchAny(any=tags)))
        if condition.at_least is not None or condition.at_most is not None:
            found.append(_between(condition))
    return found


def _between(condition: Condition) -> models.Condition:
    low, high = condition.at_least, condition.at_most
    if isinstance(low, str) or isinstance(high, str):
        raise RetrievalError(
            f"condition on {condition.field!r}: Qdrant compares no text with limits; name the values that pass"
        )
    if isinstance(low, bool) or isinstance(high, bool):
        return among([])  # nothing lies between truth values
    field = models.FieldCondition(key="field", match=models.MatchValue(value=condition.field))
    value = models.FieldCondition(key="value", range=models.Range(gte=low, lte=high))
    nested = models.Nested(key="numbers", filter=models.Filter(must=[field, value]))
    return models.NestedCondition(nested=nested)
