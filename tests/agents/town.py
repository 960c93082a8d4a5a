"""A few tools, solved requests, and an index: what the tests of agents share."""

from dataclasses import dataclass

from pydantic import JsonValue

from workbench.agents import Agent, AgentSpec, build_agent, examples
from workbench.core import Case, Corpus, ExpectedCall, ToolSpec, catalogue
from workbench.lms import CallStore, ScriptedEngine, scripted_lm
from workbench.retrieval import ANYONE, Hit, Index, IndexSpec, View, build_index
from workbench.retrieval.index import Vectors

BM25 = IndexSpec(retriever="bm25")


def tool(name: str, description: str, required: str, **optional: JsonValue) -> ToolSpec:
    """A tool with one required text argument, and optional ones with a default."""
    properties: dict[str, JsonValue] = {required: {"type": "string", "description": f"The {required}."}}
    properties |= {key: {"type": "integer", "default": value} for key, value in optional.items()}
    return ToolSpec(
        name=name,
        description=description,
        parameters={"type": "dict", "properties": properties, "required": [required]},
    )


RIDE = tool("ride.book", "Book a ride to a place.", "place", seats=1)
WEATHER = tool("weather.get", "Tell the weather in a city.", "city", days=3)
MUSIC = tool("music.play", "Play a song by its title.", "title")
TOOLS = catalogue("town", (RIDE, WEATHER, MUSIC))
INDEX = build_index(TOOLS, BM25)


def solved(case_id: str, request: str, expected: ToolSpec, value: str) -> Case:
    """A case that expects one call with one argument."""
    call = ExpectedCall(tool=expected, arguments={expected.required[0]: [value]})
    return Case(case_id=case_id, request=request, expected=call, cluster=expected.name)


CASES = (
    solved("s-1", "Book a ride to the station", RIDE, "station"),
    solved("s-2", "What is the weather in the city of Oslo", WEATHER, "Oslo"),
    solved("s-3", "Play the song Yesterday", MUSIC, "Yesterday"),
    solved("s-4", "Book a cheap ride to the airport tonight", RIDE, "airport"),
)
SOLVED = examples(CASES)


def build(spec: AgentSpec, engine: ScriptedEngine, *, index: Index = INDEX, store: CallStore | None = None) -> Agent:
    """An agent over the town, whose model is `engine`."""
    return build_agent(spec, index=index, lm=scripted_lm(engine, store=store))


class Listener(ScriptedEngine):
    """A model that keeps the prompts it was asked and answers from the last request by rule."""

    def __init__(self, reply: str = '{"place": "here"}') -> None:
        self.prompts: list[str] = []
        self.reply = reply
        super().__init__(self._hear)

    def _hear(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.reply


class Chooser(ScriptedEngine):
    """Chooses by rule, then fills the only argument of the tool it is shown."""

    def __init__(self, choice: str) -> None:
        self.shown: list[str] = []
        super().__init__(self._answer)
        self.choice = choice

    def _answer(self, prompt: str) -> str:
        if prompt.endswith("Choice:\n"):
            self.shown.append(prompt)
            return self.choice
        return '{"city": "Oslo"}' if "weather.get" in prompt else '{"place": "Oslo"}'


@dataclass(frozen=True)
class Similar:
    """The town's index with one similarity for every hit, as an index with vectors would give."""

    similarity: float
    corpus: Corpus = TOOLS
    spec: IndexSpec = BM25
    digest: str = "similar"
    vectors: Vectors | None = None

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """BM25's hits."""
        hits = INDEX.search(query, k, view)
        return tuple(hit.model_copy(update={"parts": {"dense_similarity": self.similarity}}) for hit in hits)
