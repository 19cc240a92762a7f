"""An evaluation as it is kept with its space, printed with --json, and read: by the report, Dagster and people.

Its JSON is public. Whoever changes it so that a reader of the JSON before would stumble counts VERSION up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from bootstrap_assets.errors import SchemaError
from bootstrap_assets.evaluation.intervals import Interval
from bootstrap_assets.evaluation.scores_of_tasks import CuadScores, Form, NliScores, Share, without_none

VERSION = 2
"""Of the document's form; a document that names none is read as one of this version."""

Milliseconds = Annotated[float, AfterValidator(lambda time: round(time, 3))]
Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(timespec="seconds"))]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is evaluated: `limit` queries of each kind (None: all), and one split of ContractNLI (None: all)."""

    limit: int | None = None
    split: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all. A part is compared with the baseline; only `Apart` is kept of it."""
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
        return without_none(self.model_dump(mode="json", by_alias=True))


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
