"""The shop's demonstration: orders of every kind through a stack on this machine, shown as they move."""

import invariants  # noqa: F401 - puts the functions on the path, where they are top-level packages as on Lambda
