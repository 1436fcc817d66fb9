"""The embedded stack: the real template on an emulator on this machine, without Docker and without an account.

It asks the domain (`functions/orders`) what the rules are.
"""

import sys
from pathlib import Path

_FUNCTIONS = str(Path(__file__).resolve().parent.parent / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.append(_FUNCTIONS)
