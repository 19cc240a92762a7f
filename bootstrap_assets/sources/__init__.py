"""From an archive to records: download, safe reading, and one parser per source.

`registry` is the only list of sources. Every parser yields `ParsedDocument`s in a stable order.
"""
