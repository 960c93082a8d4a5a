"""What an embedding model is, whoever runs it: texts go in, points of length 1 come out."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workbench.core import Record, digest_json

REMEMBERED = 4096
"""Queries whose vectors are kept: about 6 MB."""


class EmbedSpec(Record):
    """One embedding model of a provider with an OpenAI-compatible address. It holds no key."""

    model: str = Field(min_length=1)
    """As the provider spells it, for instance "text-embedding-3-small"."""
    base_url: str
    """Where it listens, up to "/embeddings"; a key is only sent to https, or to this machine."""
    dimensions: int = Field(ge=1)
    """How many numbers an answer must have: another count is another model."""
    revision: str = ""
    """What tells this model from another of the same name; change it when the provider does."""
    key_env: str | None = None
    """The environment variable that holds the key; None sends none."""
    document_prefix: str = ""
    """What stands before each document, where a model was trained so, as "passage: "."""
    query_prefix: str = ""
    """What stands before each query."""
    batch: int = Field(default=64, ge=1)
    """Most texts of one call."""
    timeout_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    attempts: int = Field(default=3, ge=1)
    """How often a call is made before an error that may pass is raised."""
    usd_per_million_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """None where the price is not known: costs are then unknown, not zero."""

    @property
    def identity(self) -> str:
        """The digest of what decides its vectors: name, address, revision, dimensions and prefixes."""
        return digest_json(
            [self.model, self.base_url, self.revision, self.dimensions, self.document_prefix, self.query_prefix]
        )


class EmbedCall(Record):
    """One answered call to a provider, as an account keeps it."""

    model: str
    identity: str
    """The embedding's digest."""
    texts: int
    tokens: int
    """As the provider counted them; where it does not say, the most that were sent."""
    usd: float | None
    seconds: float
    attempts: int


Account = Callable[[EmbedCall], None]
"""Takes down every answered call: a ledger is kept by whoever connects."""


class Encoder(Protocol):
    """What a live index needs of a model that turns texts into points."""

    @property
    def digest(self) -> str:
        """What tells it from other models: vectors of two can't be compared."""

    def embed(self, texts: Sequence[str], *, most_tokens: int) -> NDArray[np.float32]:
        """A row of length 1 for each text."""

    def embed_query(self, query: str) -> NDArray[np.float32]:
        """The one row of a query."""


class Embedding(Protocol):
    """A model that turns texts into points."""

    @property
    def digest(self) -> str:
        """What tells it from other models; it is part of the digest of every index made with it."""

    @property
    def dimensions(self) -> int:
        """How many numbers a row has."""

    def embed(self, texts: Sequence[str], *, most_tokens: int = 256) -> NDArray[np.float32]:
        """A float32 row of length 1 for each text, in order; the rest of a long text is cut.

        Raises: RetrievalError if the model is missing, changed, or fails.
        """

    def embed_query(self, query: str) -> NDArray[np.float32]:
        """The one row of a query, which nobody can change; the last few thousand are remembered."""
