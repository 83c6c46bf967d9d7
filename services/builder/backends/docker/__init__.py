"""Images as images of containers, built and kept by a Docker engine.

``backend`` is the door; ``engine`` and ``classic`` are the only files that know the SDK.
"""
