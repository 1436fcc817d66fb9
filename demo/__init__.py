"""The shop's demonstration on the embedded stack: a catalogue, orders of every kind, and what becomes of them."""
