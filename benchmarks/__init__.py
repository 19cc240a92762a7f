"""Benchmarks: scripts that print a table; not tests. Compare figures within one run: machines differ."""
