"""Kill the functions' processes while orders are under way, and see what comes of it: `make crash-test`."""
