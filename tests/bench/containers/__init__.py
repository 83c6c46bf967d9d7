"""``python -m tests.bench.containers``: the distributed form beside bare containers and JupyterHub.

``__main__.py`` is the run; ``bare.py``, ``cassini.py`` and ``hub.py`` each start JupyterLab in a
container of the same image, one or many at once; ``engine.py`` looks at containers from outside,
``report.py`` tells.
"""
