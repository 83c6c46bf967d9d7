"""Cassini's five services, the form that runs them all in one process, and the command line."""
