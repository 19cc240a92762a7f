"""The last evaluation of a space, and what the page has to say of it beside its figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.evaluation import evaluation
from bootstrap_assets.evaluation.document import Document
from bootstrap_assets.evaluation.scores_of_tasks import CuadScores, NliScores
from bootstrap_assets.report import labels
from bootstrap_assets.report.labels import Trust

MODES = {
    "vector": "meaning (vectors)",
    "text": "words (BM25)",
    "text_widened": "words and related words",
    "hybrid": "all together (hybrid)",
}
"""The lists that are shown, and what they are called."""


APART = {
    "known": "known: with what scorers say, none of which saw the contract",
    "left_out": "left out: the same, but nothing knows the label that is asked about",
    "ablated": "neither: without what scorers say",
    "by_scorers": "in the order of the scorers alone",
}
"""What knows a question, and what that is called."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The last evaluation; None where there was none, or where it cannot be read: `unreadable` says why.

    `outdated`: it was of another state of the corpus. `trust`: what the scorers of labels are worth.
    """

    document: Document | None = None
    outdated: bool = False
    unreadable: str | None = None
    trust: Sequence[Trust] = ()

    @property
    def tasks(self) -> Mapping[str, NliScores | CuadScores]:
        """The scores by data set, of those that were asked about."""
        return self.document.tasks if self.document else {}

    @property
    def invented(self) -> Mapping[str, str]:
        """The sources that held the sample when it was measured, with what to say of them."""
        return self.document.invented if self.document else {}


def read(connection: Connection, space: Space) -> Quality:
    """The quality of a space."""
    return replace(_of_search(connection, space), trust=labels.read(connection))


def _of_search(connection: Connection, space: Space) -> Quality:
    try:
        document = evaluation.last_evaluation(connection, space)
    except SchemaError as error:
        return Quality(unreadable=str(error))
    if document is None:
        return Quality()
    return Quality(document, outdated=not evaluation.is_of_this_corpus(connection, document))
