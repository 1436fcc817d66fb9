"""What the handlers share of AWS: clients, reading an item, and the logger. Handlers import it before anything large.

Handlers log one line at INFO for each effect (a hold, a capture, a release) and for each refusal, with the order's id
and nothing else of the order: ids lead a person to the data, personal data never enters a log. What changed nothing is
DEBUG: lines are paid for by the byte (docs/cost.md). That an order is finished is a metric (metrics.py), in a line too.
"""

import gc

# Modules that were imported stay in memory, so the garbage collector finds nothing while they are imported. By default
# it looks almost fifty times, which takes 5 % of a cold start. Later it finds little: 14 objects after an invocation.
gc.set_threshold(200_000)

from aws_lambda_powertools import Logger  # noqa: E402 - large, so after the tuning

# The service name and the level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL (template.yaml).
logger = Logger(use_rfc3339=True, utc=True)
