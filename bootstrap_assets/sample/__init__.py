"""A small corpus of our own writing, in the formats of the four official archives.

`authored/` holds the texts as people write them (see `markup`); `cuad_format`, `nli_format` and
`markdown_formats` know the official shapes; `generate` makes the same archives at any size from a seed.
"""

from pathlib import Path

from bootstrap_assets.sample import authored
from bootstrap_assets.sample.cuad_format import write_cuad
from bootstrap_assets.sample.markdown_formats import write_prose_objects, write_repository
from bootstrap_assets.sample.nli_format import write_contract_nli

__all__ = ["write_sample"]


def write_sample(folder: Path) -> list[Path]:
    """Write the sample's archives to `folder/<source>/` and return their paths.

    The bytes are the same on every machine, and a file that is already equal is not touched. Whatever else lies
    in the folder is left alone.
    """
    ndas = authored.ndas()
    return [
        write_cuad(folder / "cuad" / "CUAD_v1.zip", authored.contracts()),
        write_contract_nli(folder / "contract_nli" / "contract-nli.zip", lambda split: ndas[split]),
        *(write_repository(folder / "bonterms", *repository) for repository in authored.agreements().items()),
        write_prose_objects(folder / "commonaccord" / "Cmacc-Org.zip", authored.prose_objects()),
    ]
