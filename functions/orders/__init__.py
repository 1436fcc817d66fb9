"""What the handlers share: the order model, money, the bus events, clients and the errors that the workflow names."""

import gc

# What imports leave behind stays: looking through it for garbage is in vain, happens almost fifty times by default, and
# takes 5 % of a cold start. Nor does it pay later: an invocation leaves some 14 objects that wait for the collector.
gc.set_threshold(200_000)
