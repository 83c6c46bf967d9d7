"""The HTTP routes of resources."""
