"""``make api-coverage``: our OpenAPI description beside the contract that we speak.

``__main__.py`` is the command; ``operations.py`` compares operation by operation, ``values.py``
what is sent and answered, by the ``shapes.py`` of both sides; ``explanations.py`` reads from
docs/compatibility.md which differences are meant.
"""
