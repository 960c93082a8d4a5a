"""Labels: how far a value may be trusted, how far it may go, and what it was made from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, get_args

from pydantic import JsonValue, model_validator

from workbench.core import Record

Integrity = Literal["trusted", "untrusted"]
Confidentiality = Literal["public", "internal", "confidential", "secret"]
"""From what anybody may see to what almost nobody may."""

_LEVELS: tuple[Confidentiality, ...] = get_args(Confidentiality)


class Label(Record):
    """What is known of a value beside the value itself.

    Untrusted content is data and stays so: nothing that is made from it becomes trusted again, whatever it says.
    Source: Costa et al. 2025, "Securing AI agents with information-flow control" (FIDES); Debenedetti et al. 2025,
    "Defeating prompt injections by design" (CaMeL).
    """

    integrity: Integrity
    confidentiality: Confidentiality = "internal"
    sources: tuple[str, ...] = ()
    """Names of what it was made from, sorted: "user", "policy", "tool:inbox", "document:kb-9"."""

    @model_validator(mode="after")
    def _sources_are_sorted(self) -> "Label":
        if list(self.sources) != sorted(set(self.sources)) or "" in self.sources:
            raise ValueError(f"sources {list(self.sources)}: must be sorted, unique and not empty names")
        return self

    @property
    def trusted(self) -> bool:
        """Whether it may decide what an effect does."""
        return self.integrity == "trusted"


USER = Label(integrity="trusted", sources=("user",))
"""What a person typed to their own agent."""
UNKNOWN = Label(integrity="untrusted", confidentiality="secret", sources=("unlabelled",))
"""What nobody labelled: the worst is assumed."""


def level(confidentiality: Confidentiality) -> int:
    """The rank of a confidentiality, from 0 for public to 3 for secret."""
    return _LEVELS.index(confidentiality)


def join(labels: Iterable[Label]) -> Label:
    """The label of what is made from several values: as bad as the worst, with all their sources.

    Of nothing it is trusted and public: a constant tells nobody anything.

    >>> join([USER, UNKNOWN]).integrity, join([USER, UNKNOWN]).confidentiality, join([USER, UNKNOWN]).sources
    ('untrusted', 'secret', ('unlabelled', 'user'))
    """
    all_labels = tuple(dict.fromkeys(labels)) if not isinstance(labels, tuple) else labels
    if len(all_labels) == 1:
        return all_labels[0]
    return Label(
        integrity="trusted" if all(one.trusted for one in all_labels) else "untrusted",
        confidentiality=_LEVELS[max((level(one.confidentiality) for one in all_labels), default=0)],
        sources=tuple(sorted({source for one in all_labels for source in one.sources})),
    )


def label_of(value: JsonValue, path: str, labels: Mapping[str, Label]) -> Label:
    """The label of a value that stands at a path, from labels of paths: the join over everything inside it.

    A path is a JSON pointer (Source: RFC 6901): "" is all arguments, "/to/0" the first of the list "to". Each part
    has the label of the nearest path at or above it; a part with none has `UNKNOWN`, so that forgetting a label
    never makes anything trusted. The names of an object's fields are part of the object.

    >>> labels = {"/to": USER, "/to/1": UNKNOWN}
    >>> label_of(["a@b.example"], "/to", labels) == USER, label_of(["a@b.example", "c"], "/to", labels).trusted
    (True, False)
    """
    own = _nearest(path, labels)
    if not any(name.startswith(f"{path}/") for name in labels):
        return own
    return join(tuple(dict.fromkeys(_inside(value, path, labels, own))))


def stray_paths(value: JsonValue, labels: Mapping[str, Label]) -> tuple[str, ...]:
    """Paths of labels that name nothing in the value, sorted: whoever wrote one meant a label that would be ignored.

    >>> stray_paths({"to": ["a"]}, {"": USER, "/to/0": UNKNOWN, "/to/00": UNKNOWN, "to": UNKNOWN})
    ('/to/00', 'to')
    """
    return tuple(sorted(path for path in labels if path and not _stands(value, path)))


def _stands(value: JsonValue, path: str) -> bool:
    start, *names = path.split("/")
    for name in names:
        if isinstance(value, dict):
            inside = {escape(key): item for key, item in value.items()}
        else:
            inside = {str(place): item for place, item in enumerate(value)} if isinstance(value, list) else {}
        if name not in inside:
            return False
        value = inside[name]
    return not start


def _nearest(path: str, labels: Mapping[str, Label]) -> Label:
    while True:
        if (found := labels.get(path)) is not None:
            return found
        if not path:
            return UNKNOWN
        path = path.rpartition("/")[0]


def _inside(value: JsonValue, path: str, labels: Mapping[str, Label], own: Label) -> Iterator[Label]:
    """The labels of a value's parts; of names and lengths, which the value itself has, too."""
    own = labels.get(path, own)
    if isinstance(value, dict):
        yield own
        for name, item in value.items():
            yield from _inside(item, f"{path}/{escape(name)}", labels, own)
    elif isinstance(value, list):
        yield own
        for place, item in enumerate(value):
            yield from _inside(item, f"{path}/{place}", labels, own)
    else:
        yield own


def escape(name: str) -> str:
    """A field's name as part of a path. Source: RFC 6901, section 3.

    >>> escape("a/b~c")
    'a~1b~0c'
    """
    return name.replace("~", "~0").replace("/", "~1")
