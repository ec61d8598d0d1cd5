"""What an installer does on the spot: boards become points, and each is proven."""
