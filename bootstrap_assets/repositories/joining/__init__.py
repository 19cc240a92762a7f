"""Joins the files of a repository: what a name in one file means in another.

`tables` looks names up in one file; `resolver` evaluates chains over all files; `imports` has one module per
language
that knows where its imports lead. Nothing here reads a file or knows git.
"""
