"""What the carrier and the payment provider tell, each on its own route of the front door's API."""
