"""A document with a freshness rule is stale when it is older than the rule allows, or its age is not known."""

from datetime import UTC, datetime

import pytest

from workbench.core import Origin

NOW = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read_at", "fresh_hours", "expected"),
    [
        ("2026-01-01T00:00:00Z", None, False),
        ("2026-01-01T00:00:00Z", 1.0, False),
        ("2026-01-01T00:00:00Z", 0.9, True),
        ("2026-01-01T00:00:00", 0.9, True),
        ("2026-01-01T03:00:00+02:00", 0.1, False),
        ("", 1e9, True),
        ("yesterday", 1e9, True),
        ("", None, False),
    ],
)
def test_an_unknown_age_is_stale_where_there_is_a_rule(read_at: str, fresh_hours: float | None, expected: bool) -> None:
    """One hour after midnight: exactly as old as allowed is fresh; a time without a zone is in UTC."""
    origin = Origin(source="wiki", readers=(), read_at=read_at, fresh_hours=fresh_hours)

    assert expected is origin.is_stale(NOW)
