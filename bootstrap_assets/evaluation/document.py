"""An evaluation as it is kept with its space, printed with --json, and read: by the report, Dagster and people.

Its JSON is public. Whoever changes it so that a reader of the JSON before would stumble counts VERSION up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from bootstrap_assets.errors import SchemaError
from bootstrap_assets.evaluation.intervals import Interval
from bootstrap_assets.evaluation.metrics import METRICS

VERSION = 2
"""Of the document's form; a document that names none is read as one of this version."""

Scores = Mapping[str, Interval]
"""A mean with its interval, by metric."""

Share = Annotated[float, AfterValidator(lambda share: round(share, 4))]
Milliseconds = Annotated[float, AfterValidator(lambda time: round(time, 3))]
Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(timespec="seconds"))]


class Form(BaseModel):
    """A part of the document. Whatever else a document holds is not read."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is evaluated: `limit` queries of each kind (None: all), and one split of ContractNLI (None: all)."""

    limit: int | None = None
    split: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all. A part is compared with the baseline, and kept nowhere."""
        return self.limit is None and self.split is None


class Point(Form):
    """An effort, the shares of the true nearest 10 and 100 that it finds, and its milliseconds (median, p95)."""

    ef_search: int
    recall_10: Share = Field(validation_alias="recall@10", serialization_alias="recall@10")
    recall_100: Share = Field(validation_alias="recall@100", serialization_alias="recall@100")
    ms: Milliseconds
    ms_p95: Milliseconds


class WholeSearches(Form):
    """How many questions `search_reference` was asked, and for how many it gave other hits than its parts."""

    questions: int = Field(validation_alias="asked", serialization_alias="asked")
    differ: int


class ListScores(Form):
    """Scores of the four lists that are compared (evaluation/ranking.py), over `queries` questions."""

    vector: Scores
    text: Scores
    text_widened: Scores
    hybrid: Scores
    queries: int

    @property
    def lists(self) -> dict[str, Scores]:
        """The scores by list."""
        return {
            "vector": self.vector,
            "text": self.text,
            "text_widened": self.text_widened,
            "hybrid": self.hybrid,
        }

    @property
    def metrics(self) -> list[str]:
        """The metrics there are scores by."""
        return [metric for metric in METRICS if metric in self.hybrid]


class TaskScores(ListScores):
    """Scores over questions about `contracts` contracts, and how much better the hybrid is than each list."""

    contracts: int
    hybrid_minus_text: Scores
    hybrid_minus_vector: Scores
    hybrid_minus_text_widened: Scores

    @property
    def differences(self) -> dict[str, Scores]:
        """By how much the hybrid is better, question by question, by the list that it is compared with."""
        return {
            "vector": self.hybrid_minus_vector,
            "text": self.hybrid_minus_text,
            "text_widened": self.hybrid_minus_text_widened,
        }


class PartScores(Form):
    """The hybrid's mean scores by metric over a label's questions. In JSON they stand beside the rest."""

    queries: int
    scores: Mapping[str, Share]

    @property
    def name(self) -> str:
        """The label for people."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        if not isinstance(row, Mapping) or "scores" in row:
            return row
        return {**row, "scores": {metric: row[metric] for metric in METRICS if metric in row}}

    @model_serializer(mode="wrap")
    def _spread(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        row: dict[str, Any] = handler(self)
        scores = row.pop("scores")
        return {**row, **scores}


class HypothesisScores(PartScores):
    """Of a hypothesis of ContractNLI."""

    hypothesis_id: int
    hypothesis: str

    @property
    def name(self) -> str:
        """The hypothesis."""
        return self.hypothesis


class CategoryScores(PartScores):
    """Of a category of CUAD."""

    category: str

    @property
    def name(self) -> str:
        """The category."""
        return self.category


class NliScores(TaskScores):
    """ContractNLI; `corpus`: over all contracts together, None where that was not asked.

    Of one split `known` has the scores of scorers that the others taught, `left_out` those that no scorer knows.
    """

    by_split: Mapping[str, ListScores]
    by_hypothesis: tuple[HypothesisScores, ...]
    corpus: TaskScores | None = None
    by_scorers: Scores | None = Field(None, validation_alias="known", serialization_alias="known")
    left_out: Scores | None = None

    @property
    def parts(self) -> tuple[HypothesisScores, ...]:
        """By label, the worst first."""
        return self.by_hypothesis

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_none(handler(self))


class CuadScores(TaskScores):
    """CUAD; `known`: the scores of scorers, each contract ranked by what other fifths taught."""

    by_category: tuple[CategoryScores, ...]
    by_scorers: Scores | None = Field(None, validation_alias="known", serialization_alias="known")

    @property
    def parts(self) -> tuple[CategoryScores, ...]:
        """By label, the worst first."""
        return self.by_category

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_none(handler(self))


class FallOfScore(Form):
    """A mean that is lower than the baseline has it."""

    task: str
    list: str
    metric: str
    before: Share
    now: Share
    difference: Interval


class AgainstBaseline(Form):
    """What the baseline says of these scores: it was measured in `space` and shares `contracts` contracts.

    `judged`: these are enough to say something. `accepted`: these scores are the baseline from now on.
    """

    measured_at: Moment | None
    space: str | None
    same_search: bool
    contracts: int
    judged: bool
    accepted: bool
    falls: tuple[FallOfScore, ...]


class Document(Form):
    """An evaluation; `corpus` is the version of the corpus, `space` the name of the space that was searched.

    `invented`: the sources that held the sample, with what to say of them. `ef_search`: the effort chosen.
    `failures`: what is not as it should be, in words; `left_out`: what could not be measured, in words.
    """

    version: int = VERSION
    evaluated_at: Moment
    space: str
    corpus: str
    invented: Mapping[str, str]
    scope: Scope
    ann: tuple[Point, ...]
    ann_queries: int
    ef_search: int
    whole_searches: WholeSearches
    contract_nli: NliScores | None = None
    cuad: CuadScores | None = None
    baseline: AgainstBaseline
    passed: bool
    failures: tuple[str, ...]
    left_out: tuple[str, ...]
    texts_embedded: int
    seconds: float
    verdict: str

    @property
    def tasks(self) -> dict[str, NliScores | CuadScores]:
        """The scores by data set, of those that were asked about."""
        return {name: task for name in ("contract_nli", "cuad") if (task := getattr(self, name))}

    @property
    def operating_point(self) -> Point:
        """What the index finds with the effort that was chosen."""
        return next(it for it in self.ann if it.ef_search == self.ef_search)

    @model_validator(mode="after")
    def _has_its_effort(self) -> "Document":
        if all(point.ef_search != self.ef_search for point in self.ann):
            raise ValueError("ef_search is none of the efforts of ann")
        return self

    def for_json(self) -> dict[str, Any]:
        """As it is stored and printed; a data set that was not asked about is absent."""
        return _without_none(self.model_dump(mode="json", by_alias=True))


def document_of(quality: Any) -> Document | None:
    """The evaluation that a space's `quality` holds; None where none has been made.

    SchemaError where it is of another version, or is not what its version says.
    """
    if not isinstance(quality, Mapping) or not quality.get("evaluated_at"):
        return None
    version = quality.get("version", VERSION)
    if version == VERSION:
        try:
            return Document.model_validate(quality)
        except ValidationError as error:
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    else:
        reason = f"it is of version {version}, and version {VERSION} is read"
    raise SchemaError(
        f"the last evaluation is kept in a form that is not read here ({reason}): "
        "`bootstrap evaluate` measures it anew"
    )


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
