"""Several hosts on one machine: network namespaces with addresses, names, homes and clocks of their own.

`make cluster` runs the long form, which needs root, iproute2 and, for clocks, a C compiler; `make test` the quick
one, with two hosts, and skips it with a reason where namespaces are not allowed.
"""
