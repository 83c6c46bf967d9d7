"""The doors to where values are kept. ``base.py`` is the protocol, every other file one store."""
