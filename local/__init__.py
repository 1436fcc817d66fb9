"""The embedded stack: the real template on an emulator on this machine, without Docker and without an account."""

import sys
from pathlib import Path

# What ships imports itself as it does on Lambda: `orders`, `notify`.
sys.path.append(str(Path(__file__).resolve().parent.parent / "functions"))
