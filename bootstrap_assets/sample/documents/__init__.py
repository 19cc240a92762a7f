"""Documents of a tenant that does not exist: invented, and written for this package.

`python -m bootstrap_assets.sample.documents.make` writes them anew; the same script gives the same bytes.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "files"
"""Where they lie: one of each format that is read."""
