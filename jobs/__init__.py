"""The books: what runs in a container on AWS Batch each night, and holds everything that the shop has against the rest.

`python -m jobs STEP` is one step (__main__.py). A step may run twice, beside itself, or die anywhere: what it leaves in
the bucket (places.py) and in the BookRuns table (runs.py) is the same.
"""

import sys
from pathlib import Path

# The domain and the clients are top-level packages, as they are on Lambda.
_FUNCTIONS = str(Path(__file__).resolve().parent.parent / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)
