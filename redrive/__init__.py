"""Move back what could not be delivered: `make redrive`, and `python -m redrive --stack orders` for a stack on AWS."""
