"""The domain: what an order may be and what may become of it, in plain Python. Nothing in here knows AWS."""
