"""What Cassini's five services share: the words they exchange and the plumbing under them."""

__version__ = "0.1.0"
