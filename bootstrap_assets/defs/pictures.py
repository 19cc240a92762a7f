"""The report's pictures, as metadata of an asset."""

from collections.abc import Iterator

import dagster as dg

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding.context import Corpus


def quality_pictures(corpus: Corpus) -> dict[str, dg.MetadataValue]:
    """Curve of the index, scores, coverage and map, each as an image in markdown; those that there is data for."""
    drawn = corpus.database.transact(lambda connection: list(_draw(corpus, connection)))
    return {name: dg.MetadataValue.md(image) for name, image in drawn}


def _draw(corpus: Corpus, connection: Connection) -> Iterator[tuple[str, str]]:
    from bootstrap_assets.report import contents, pictures, quality  # two seconds to import
    from bootstrap_assets.report import map as mapping

    measured = quality.read(connection, corpus.space)
    if measured.document:
        curve = pictures.recall_curve(measured.document.ann, measured.document.ef_search)
        yield "recall_curve", pictures.markdown(curve, "Recall and time by effort of the index")
    for name, task in measured.tasks.items():
        figure = pictures.scores(task.lists, task.metrics)
        yield (
            f"{name}_scores",
            pictures.markdown(
                figure,
                f"Scores on {name} by vector, by text, by the words that go into the hybrid, and by the hybrid",
            ),
        )
    covered = contents.read(connection, corpus.space).covered
    yield "coverage", pictures.markdown(pictures.coverage_bar(covered), "Share of the records with a vector")
    if drawn := mapping.draw(connection, corpus.space):
        yield "map", pictures.markdown(pictures.map_by_source(drawn), "Map of the texts, coloured by source")
