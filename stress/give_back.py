"""`python -m stress.give_back ENDPOINT FUNCTION`: when standard input ends, let the function be invoked again."""

from __future__ import annotations

import sys

from local.environment import forget_accounts
from local.stack import RunningStack

if __name__ == "__main__":
    endpoint_url, function = sys.argv[1:]
    sys.stdin.buffer.read()
    forget_accounts()
    RunningStack(endpoint_url, "", {}).client("lambda").delete_function_concurrency(FunctionName=function)
