"""The report's pictures, as metadata of an asset."""

from collections.abc import Iterator

import dagster as dg

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import MissingExtraError
from bootstrap_assets.extras import needs_extra


def quality_pictures(corpus: Corpus) -> dict[str, dg.MetadataValue]:
    """Curve of the index, scores, coverage and map, each as an image in markdown; those that there is data for.

    Without the extra `report` there is a line instead that says so.
    """
    try:
        images = corpus.database.transact(lambda connection: list(_draw(corpus, connection)))
    except MissingExtraError as error:  # what was measured stands without them
        return {"pictures": dg.MetadataValue.text(str(error))}
    return {name: dg.MetadataValue.md(image) for name, image in images}


def _draw(corpus: Corpus, connection: Connection) -> Iterator[tuple[str, str]]:
    with needs_extra("report", "drawing"):
        from bootstrap_assets.report import contents, pictures, quality  # two seconds to import
        from bootstrap_assets.report import map as mapping

    figures = quality.read(connection, corpus.space)
    if figures.document:
        curve = pictures.recall_curve(figures.document.ann, figures.document.ef_search)
        yield "recall_curve", pictures.markdown(curve, "Recall and time by effort of the index")
    for name, task in figures.tasks.items():
        figure = pictures.scores(task.lists, task.metrics)
        yield (
            f"{name}_scores",
            pictures.markdown(
                figure,
                f"Scores on {name} by vector, by text, by the words that go into the hybrid, and by the hybrid",
            ),
        )
    coverage = contents.read(connection, corpus.space).covered
    yield "coverage", pictures.markdown(pictures.coverage_bar(coverage), "Share of the records with a vector")
    if points := mapping.draw(connection, corpus.space):
        yield "map", pictures.markdown(pictures.map_by_source(points), "Map of the texts, coloured by source")
