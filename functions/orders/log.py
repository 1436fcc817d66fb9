"""One structured logger for all functions.

Handlers log one line at INFO for each effect (a hold, a capture, a release, a letter) and for each refusal, with the
order's id and nothing else of the order: ids lead a person to the data, personal data never enters a log. What changed
nothing is DEBUG: lines are paid for by the byte (docs/cost.md).
"""

from aws_lambda_powertools import Logger

# The service name and the level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL (template.yaml).
logger = Logger(use_rfc3339=True, utc=True)
