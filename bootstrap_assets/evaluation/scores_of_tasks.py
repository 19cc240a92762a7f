"""An evaluation's scores as they are kept: of each data set, by list, by label, and by what knows a question."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from bootstrap_assets.evaluation.intervals import Interval
from bootstrap_assets.evaluation.metrics import METRICS

Scores = Mapping[str, Interval]
"""A mean with its interval, by metric."""

Share = Annotated[float, AfterValidator(lambda share: round(share, 4))]


class Form(BaseModel):
    """A part of the document. Whatever else a document holds is not read."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")


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


class Apart(Form):
    """Questions apart, by what knows them; where one split was evaluated, and something taught.

    `by_lists`, in JSON `known`: with the lists of scorers that never saw the contract. `left_out`: but that no
    scorer knows the question's own label. `ablated`: without any list. `by_scorers`: in the scorers' order alone.
    `split`: which was evaluated; of CUAD, which has none, all contracts are.
    """

    split: str | None = None
    by_lists: Scores | None = Field(None, validation_alias="known", serialization_alias="known")
    left_out: Scores | None = None
    ablated: Scores | None = None
    by_lists_minus_ablated: Scores | None = Field(
        None, validation_alias="known_minus_ablated", serialization_alias="known_minus_ablated"
    )
    left_out_minus_ablated: Scores | None = None
    by_scorers: Scores | None = None

    @property
    def lists(self) -> dict[str, Scores]:
        """What was measured, by name."""
        every = {"known": self.by_lists, "left_out": self.left_out, "ablated": self.ablated}
        every |= {"by_scorers": self.by_scorers}
        return {name: scores for name, scores in every.items() if scores}

    @property
    def differences(self) -> dict[str, Scores]:
        """By how much the first two are better than `ablated`, question by question."""
        every = {"known": self.by_lists_minus_ablated, "left_out": self.left_out_minus_ablated}
        return {name: scores for name, scores in every.items() if scores}


class WrongContract(Form):
    """Of the first ten hits over the whole corpus the share from another contract than the one asked about."""

    queries: int
    share: Interval


class LabelledScores(TaskScores):
    """A data set whose labels are questions."""

    apart: Apart = Apart()
    wrong_contract: WrongContract | None = None

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        return row if not isinstance(row, Mapping) or "apart" in row else {**row, "apart": row}

    @model_serializer(mode="wrap")
    def _spread(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        row = handler(self)
        apart = row.pop("apart")
        return without_none(row | apart)


class NliScores(LabelledScores):
    """ContractNLI; `corpus`: over all contracts together, None where that was not asked."""

    by_split: Mapping[str, ListScores]
    by_hypothesis: tuple[HypothesisScores, ...]
    corpus: TaskScores | None = None

    @property
    def parts(self) -> tuple[HypothesisScores, ...]:
        """By label, the worst first."""
        return self.by_hypothesis


class CuadScores(LabelledScores):
    """CUAD."""

    by_category: tuple[CategoryScores, ...]

    @property
    def parts(self) -> tuple[CategoryScores, ...]:
        """By label, the worst first."""
        return self.by_category


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that there are."""
    return {name: value for name, value in fields.items() if value is not None}
