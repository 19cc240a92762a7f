"""Archives in the four official formats at any size, made up from a seed.

    python -m bootstrap_assets.sample.generate --out DIR --seed 7 --contracts 1000

writes `DIR/<source>/…` as `bootstrap run --data DIR` reads it. The same options give the same bytes on every
machine. In Python: `generate(folder, seed=7, cuad_contracts=1000)`, or `clause_texts(24_000, 7)` for clauses
alone.
"""

from pathlib import Path

import click

from bootstrap_assets.sample import synthetic
from bootstrap_assets.sample.cuad_format import write_cuad
from bootstrap_assets.sample.markdown_formats import write_prose_objects, write_repository
from bootstrap_assets.sample.nli_format import write_contract_nli
from bootstrap_assets.sample.synthetic import clause_texts

__all__ = ["clause_texts", "generate"]


def generate(
    folder: Path,
    *,
    seed: int,
    cuad_contracts: int = 100,
    clauses_per_contract: int = 26,
    repeat_share: float = 0.15,
    nli_contracts: int = 100,
    agreements: int = 10,
    prose_files: int = 60,
) -> list[Path]:
    """Write made-up archives to `folder/<source>/` and return their paths; a count of 0 leaves a source out.

    The contracts hold `cuad_contracts * clauses_per_contract` labelled clauses, of which the share `repeat_share`
    (rounded to whole clauses) repeat the text of another one exactly. Raises ValueError for a share outside 0 to 1
    and for fewer than 12 prose files, of which 11 are the library that the documents include.
    """
    if 0 < prose_files <= synthetic.PROSE_FIXED:
        raise ValueError(f"prose_files is 0 or more than {synthetic.PROSE_FIXED}, not {prose_files}")
    paths = []
    if cuad_contracts:
        contracts = synthetic.contracts(cuad_contracts, clauses_per_contract, seed, repeat_share)
        paths.append(write_cuad(folder / "cuad" / "CUAD_v1.zip", contracts))
    if nli_contracts:
        path = folder / "contract_nli" / "contract-nli.zip"
        paths.append(write_contract_nli(path, lambda split: synthetic.ndas(nli_contracts, split, seed)))
    for number in range(agreements):
        paths.append(write_repository(folder / "bonterms", *synthetic.agreement(number, seed)))
    if prose_files:
        path = folder / "commonaccord" / "Cmacc-Org.zip"
        paths.append(write_prose_objects(path, synthetic.prose_objects(prose_files, seed)))
    return paths


@click.command(help="Write made-up archives in the four official formats to DIR/<source>/.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same bytes.")
@click.option("--contracts", default=100, show_default=True, help="Contracts in the format of CUAD.")
@click.option("--clauses", default=26, show_default=True, help="Labelled clauses in each of them.")
@click.option(
    "--repeat-share", default=0.15, show_default=True, help="Share of clauses that repeat another's text."
)
@click.option("--ndas", default=100, show_default=True, help="Agreements in the format of ContractNLI.")
@click.option("--agreements", default=10, show_default=True, help="Repositories in the format of Bonterms.")
@click.option("--prose-files", default=60, show_default=True, help="Files in the format of CommonAccord.")
def main(
    out: Path,
    seed: int,
    contracts: int,
    clauses: int,
    repeat_share: float,
    ndas: int,
    agreements: int,
    prose_files: int,
) -> None:
    """The command line of this module."""
    try:
        paths = generate(
            out,
            seed=seed,
            cuad_contracts=contracts,
            clauses_per_contract=clauses,
            repeat_share=repeat_share,
            nli_contracts=ndas,
            agreements=agreements,
            prose_files=prose_files,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for path in paths:
        click.echo(f"{path}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
