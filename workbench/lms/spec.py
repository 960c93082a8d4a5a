"""Which model, and how it is asked."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from workbench.core import Record
from workbench.safety import redact

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


def _without_secret(address: str | None) -> str | None:
    if address is not None and redact(address) != address:
        raise ValueError("an address holds a secret; put that into an environment variable and name it in key_env")
    return address


Address = Annotated[str | None, AfterValidator(_without_secret)]
"""Stored, logged and shipped as it is, so no secret may stand in it."""


class Fallback(Record):
    """A model that is asked where the ones before it don't answer: in the same words, as long, as warm."""

    model_config = ConfigDict(hide_input_in_errors=True)

    model: str
    base_url: Address = None
    key_env: str | None = None
    price: Price | None = None


class LMSpec(Record):
    """One line of configuration that names a language model, and those that stand in for it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    model: str = EMBEDDED
    """"embedded", or "provider/model" as in "openai/gpt-4o-mini" or "anthropic/claude-sonnet-4-5"."""
    base_url: Address = None
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
    fallback: tuple[Fallback, ...] = Field(default=(), exclude_if=lambda fallback: not fallback)
    """Who is asked where it does not answer, in order; a model's name is enough. Each answer is kept under the name of
    whoever gave it."""
    deadline_seconds: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, exclude_if=lambda seconds: seconds is None
    )
    """Longest all attempts at one answer may take together, waiting included; None is four times `timeout_seconds`."""

    redacted: bool = Field(default=False, exclude_if=lambda redacted: not redacted)
    """True takes secrets and personal data out of what it is asked, and out of its answers before they are kept."""

    @field_validator("fallback", mode="before")
    @classmethod
    def _names_alone(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        return tuple({"model": one} if isinstance(one, str) else one for one in value)

    @property
    def within_seconds(self) -> float:
        """Longest a caller waits for an answer or an error."""
        return self.deadline_seconds or 4 * self.timeout_seconds

    @property
    def models(self) -> tuple["LMSpec", ...]:
        """Each model that may answer, in order, as if it were alone.

        >>> [one.model for one in LMSpec(model="openai/a", fallback=["groq/b"]).models]
        ['openai/a', 'groq/b']
        """
        shortest = min(self.timeout_seconds, self.within_seconds)
        alone = self.model_copy(update={"fallback": (), "deadline_seconds": None, "timeout_seconds": shortest})
        others = (dict(one) for one in self.fallback)
        return (alone, *(alone.model_copy(update=other) for other in others))
