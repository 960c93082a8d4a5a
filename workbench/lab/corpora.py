"""Corpora where the rooms meet: traces of the tracking store as a source of documents."""

from collections.abc import Iterable
from pathlib import Path

from workbench.core import DataError
from workbench.datasets import Row, TraceSource, instant

_TITLE = 120  # characters of a request that name it


def read_traces(source: TraceSource, folder: Path) -> Iterable[Row]:
    """Requests and answers of a tracking store, as rows.

    Raises: DataError if there is no store; TrackingError if it has no such experiment or refuses.
    """
    place = source.place(folder)
    if not (place / "mlflow.db").is_file():  # opening would make one
        raise DataError(f"folder {str(place)!r} holds no tracking store; correct where")
    from workbench.tracking import open_store, read_answers  # noqa: PLC0415 - mlflow takes seconds to import

    for one in read_answers(open_store(place), source.experiment, reviewed=source.reviewed, most=source.most_rows):
        yield {
            "id": one.trace_id,
            "text": f"{one.request}\n\n{one.answer}",
            "title": one.request.strip().partition("\n")[0][:_TITLE],
            "changed": instant(one.at),
            "reviewed": one.reviewed,
        }
