"""What the pipeline costs in time and money, compared with what people would use instead: `make bench`."""
