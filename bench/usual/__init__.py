"""The order pipeline as most teams would write it: what `make bench` compares with."""
