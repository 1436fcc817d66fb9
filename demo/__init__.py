"""The shop's demonstration: orders of every kind through a stack on this machine, shown as they move."""
