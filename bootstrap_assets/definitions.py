"""Dagster's entry point: loads what defs/ defines."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Every asset, job and resource of the project."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
