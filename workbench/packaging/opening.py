"""The index of a package: a frozen copy that ships inside, or a live index that it refers to."""

from pathlib import Path

from workbench.agents import AgentSpec, connect_embedding
from workbench.core import PackageError, short
from workbench.lms import CallStore
from workbench.packaging.contents import Contents
from workbench.packaging.parts import REFERENCE, LiveReference
from workbench.retrieval import Embedder, Embedding, Index, LiveIndex, read_index

TOKENIZER = "index/tokenizer.json"


def open_index(
    folder: Path, contents: Contents, spec: AgentSpec, *, store: CallStore | None, live: Path | None
) -> Index | LiveIndex:
    """The index that a package's agent searches; `live` is where its live index lies here, if it has moved.

    Raises: RetrievalError if it can't be read; PackageError if another live index stands there, or none is referred to.
    """
    remote = spec.index.embedding
    model = None if remote is None else connect_embedding(remote, store=store)
    if REFERENCE not in contents.files:
        if live is not None:
            raise PackageError(f"package {contents.name!r}: ships a copy of its index; give no live one")
        return read_index(folder / "index", embedding=model)
    reference = contents.record(REFERENCE, LiveReference)
    place = live or Path(reference.location)
    encoder: Embedding | None = model
    if encoder is None and TOKENIZER in contents.files:
        encoder = Embedder(folder / TOKENIZER)
    index = LiveIndex(place, encoder=encoder)
    if index.digest != reference.identity:
        raise PackageError(
            f"package {contents.name!r}: refers to live index {reference.name!r} {short(reference.identity)}, and "
            f"{str(place)!r} is {short(index.digest)}; name the folder of the right one"
        )
    return index
