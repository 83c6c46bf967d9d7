"""The keeper of one pod: a small process that outlives the platform and knows how the pod ended.

``shim.py`` is run as a plain file by an isolated interpreter (``-I -S -E``); ``begin`` reads
the order and takes the attempt's lock; ``keeper`` starts the pod, keeps its ``log`` and writes its
end; ``child`` is what it forks, until that becomes the pod. ``isolation``, ``groups``,
``processes`` and ``state`` are what they stand on, and what the platform knows pods by: it imports
them as part of its own packages.

Nothing here imports anything but the standard library and its neighbours, and few modules of
that: the start of a shim is part of every start of a pod, and what a shim holds in memory it holds
for as long as the pod runs. For the same reason there is no ``pathlib``, ``socket`` or ``typing``.
"""
