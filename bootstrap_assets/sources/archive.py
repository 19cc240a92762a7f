"""The former place of fetch/archive.py: the fault scripts that were handed out know it by this name."""

from bootstrap_assets.sources.fetch.archive import Archive, open_archive

__all__ = ["Archive", "open_archive"]
