"""``make bench``: Cassini, bare JupyterLab and JupyterHub, measured side by side in one run.

``__main__.py`` is the run; ``cassini.py``, ``bare.py`` and ``hub.py`` each start a server and say
when what happened; ``environments.py`` installs JupyterHub into the bench's own place;
``ground.py`` and ``http.py`` are what they stand on; ``memory.py`` and ``report.py`` look and tell.
"""
