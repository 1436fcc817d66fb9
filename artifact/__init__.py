"""The production build: what `make build` makes, `sam deploy` deploys, and the embedded stack runs."""


class NotBuilt(Exception):
    """The build failed. The message says what happened and what to do next."""
