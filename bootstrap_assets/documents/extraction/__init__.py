"""From a file of a tenant's to its text, in a child process: one module per format, and nothing is trusted.

`extractor.Extractor` is the door. What stands behind it, in the order of the flow: `child` and `worker` (its
process, from outside and inside), `reading` (one file, read once), `detection` (its kind, by content), a module
per format, `assembly` (one normalised text with positions) and `model` (what comes out).

None of the modules that run in the child knows a database, a network or the package's settings.
"""

EXTRACTOR = "bootstrap"
"""Name of the extractor, kept beside what it extracted."""

VERSION = 1
"""Raised whenever the same file would give another text, other positions or other headings. What is extracted is
kept with its version: another version is another extraction, asked for, and never made in silence."""
