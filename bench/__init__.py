"""What the pipeline costs in time and money, beside what people would use instead: `make bench`."""
