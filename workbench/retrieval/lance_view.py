"""Conditions of a view in LanceDB's SQL: metadata are columns, one for each field and kind of value."""

from collections.abc import Collection

from workbench.core import Scalar
from workbench.retrieval.view import Condition


def quoted(text: str) -> str:
    """A text in SQL.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def column_name(field: str, value: Scalar) -> str:
    """The column of a field's values of this kind; numbers share one, whatever their type.

    >>> column_name("year", 2024), column_name("year", "2024")
    ('number_79656172', 'text_79656172')
    """
    kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
    return f"{kind}_{field.encode().hex()}"


def condition_sql(condition: Condition, columns: Collection[str]) -> str:
    """What a condition asks of a row; a column that no document has is met by none.

    >>> condition_sql(Condition(field="year", at_least=2020), {"number_79656172"})
    '(number_79656172 >= 2020.0)'
    """
    terms = []
    if condition.one_of:
        same = (_compared(condition.field, "=", value, columns) for value in condition.one_of)
        terms.append(f"({' OR '.join(same)})")
    for sign, limit in ((">=", condition.at_least), ("<=", condition.at_most)):
        if limit is not None:
            terms.append("false" if isinstance(limit, bool) else _compared(condition.field, sign, limit, columns))
    return f"({' AND '.join(terms)})"


def _compared(field: str, sign: str, value: Scalar, columns: Collection[str]) -> str:
    name = column_name(field, value)
    if name not in columns:
        return "false"
    if isinstance(value, bool):
        return f"{name} {sign} {str(value).lower()}"
    return f"{name} {sign} {quoted(value) if isinstance(value, str) else repr(float(value))}"
