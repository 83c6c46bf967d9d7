"""The doors to where pods run. ``base.py`` is the protocol, every other file one backend."""
