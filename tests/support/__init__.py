"""What the tests with a live broker share."""
