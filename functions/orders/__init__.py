"""What the handlers share: the order model, money, the bus events, clients and the errors that the workflow names."""
