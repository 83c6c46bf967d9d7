"""Who exists and who is calling."""
