"""The former place of fetch/download.py: the fault scripts that were handed out know it by this name."""

from bootstrap_assets.sources.fetch.download import ChecksumLock, fetch, newer_version

__all__ = ["ChecksumLock", "fetch", "newer_version"]
