"""Which model, and how it is asked."""

from pydantic import Field

from workbench.core import Record

EMBEDDED = "embedded"


class Price(Record):
    """US dollars for a million tokens, as a person wrote them down."""

    prompt_usd: float = Field(ge=0, allow_inf_nan=False)
    completion_usd: float = Field(ge=0, allow_inf_nan=False)
    date: str
    """The day the price was read, as YYYY-MM-DD."""

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars of so many tokens.

        >>> Price(prompt_usd=2.0, completion_usd=8.0, date="2026-01-01").usd(1_000_000, 500_000)
        6.0
        """
        return (prompt_tokens * self.prompt_usd + completion_tokens * self.completion_usd) / 1e6


class LMSpec(Record):
    """One line of configuration that names a language model."""

    model: str = EMBEDDED
    """"embedded", or "provider/model" as in "openai/gpt-4o-mini" or "anthropic/claude-sonnet-4-5"."""
    base_url: str | None = None
    """Where an OpenAI-compatible server listens; None is the provider's own address."""
    key_env: str | None = None
    """The environment variable that holds the key; None is the provider's own. Only the name is ever stored."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=128, ge=1)
    """Most tokens of one answer."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """Longest a call may take; a budget in seconds reserves this much before each call."""
    price: Price | None = None
    """Overrides the price list; None looks the model up there."""
