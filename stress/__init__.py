"""Ask more of a stack than it can do at once: `make burst`, and `make outage`."""
