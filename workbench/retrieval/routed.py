"""An index that reads its caller's words for where to look before it looks."""

from workbench.core import Corpus
from workbench.retrieval.index import Hit, Index, IndexSpec, Vectors, checked, name_index
from workbench.retrieval.routing import Router
from workbench.retrieval.view import ANYONE, View


class RoutedIndex:
    """Another index, searched in the view that the query narrows itself to."""

    def __init__(self, inner: Index, spec: IndexSpec) -> None:
        self.inner = inner
        self.spec = spec
        self.corpus: Corpus = inner.corpus
        self.vectors: Vectors | None = inner.vectors
        self.digest = name_index(inner.corpus, spec, model=inner.digest)
        self.router = Router(spec.routes, inner.corpus)

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Index.search`."""
        query = checked(query, k)
        return self.inner.search(query, k, self.router.narrow(query, view)) if query else ()
