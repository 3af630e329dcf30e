"""Offline tooling for Glimpse: from a folder of pictures to a bundle that the service loads."""
