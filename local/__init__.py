"""The embedded stack: the real template on an emulator on this machine, without Docker and without an account."""
