"""Dagster's entry point: loads what defs/ defines.

At import, so that steps forked from a warm process (see defs/jobs.py) find it done: it takes a second.
"""

from pathlib import Path

import dagster as dg

from bootstrap_assets.defs.environment import require_environment

require_environment()
defs = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
