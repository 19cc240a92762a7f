"""Git repositories: from an address to what the files of a commit define, refer to and depend on.

    clone ──> discover ──> parse ──> references ──> dependencies

`clone` brings one commit, bare, and reads its blobs; `discover` says which files are worth reading, and in what
language they are written; `parsing` turns a blob into its `symbols` and raw references, in a child process, and
knows nothing but the blob; `references` joins the blobs of a repository; `dependencies` are the edges between
files
and packages that come out of that. Nothing here is ever checked out, imported or executed.
"""
