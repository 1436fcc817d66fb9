"""What must always hold, once, for everybody who checks it: books.py is a snapshot, checks.py what must be true of it,
and front_door.py what must be true of the API and of approvals.

The simulation, `make run` and the crash test only fill the books.
"""

import sys
from pathlib import Path

# The domain is a top-level package, as it is on Lambda.
_FUNCTIONS = str(Path(__file__).resolve().parent.parent / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)
