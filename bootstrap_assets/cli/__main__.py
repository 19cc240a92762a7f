"""`python -m bootstrap_assets.cli` is `bootstrap`."""

from bootstrap_assets.cli import main

main()
