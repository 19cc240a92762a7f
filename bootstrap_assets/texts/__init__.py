"""Texts: their parts, their structure, their hashes and tokens."""

VERSION = 1
"""Raised whenever what sources share (passages, headings, sections, archives, token estimates, ids, storing) would
make other records of the same archives: every source is then loaded anew, and what did not change keeps its
vectors. tests/unit/test_versions.py says when it is due."""
