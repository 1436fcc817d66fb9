import aws  # noqa: F401 - before the large imports, which it makes faster
