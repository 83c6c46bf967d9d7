"""Pods as containers of a Docker engine.

The engine holds all that is known: there is no record beside it, so any backend of the same
installation, and several at once, see and do the same. A container's labels name its pod
(``names.py``); what the engine does not note is written down inside the container, in its own layer
(``inside/``), where it can be read while the container runs and after it ended.

The way of ``create``: the image is looked up, and pulled beside the step if it is missing
(``images.py``), and the home is made (``homes.py``); the container is made, with its labels: that
is the intent. Then our files are put into it while its network is made (``networks.py``), it is
started, and its first command (``inside/entry``) waits. The secret values come to it in one of two
ways: on its standard input, from whoever made it, as soon as the gateway is in its network; or into
a directory in memory, by a second command (``inside/deliver``), which is run after every start. The
entry takes those that came first into its environment, removes them, notes that it has begun, and
runs the plan's script. So no value is in the container's configuration, in its layer, or in an
argument. A kill at any point leaves a pod that is listed as not begun, and ``create`` with the same
plan does what is left.

The same second command then follows the start (``inside/follow.py``): it tells the steps and notes
when the pod answers. So the platform needs no way into the workloads' networks, and nobody asks
from outside again and again. ``watch.py`` takes that and the engine's events as hints; ``pods.py``
reads the truth, and keeps what cannot change any more; ``facts.py`` says what it means.

``engine.py`` and ``streams.py`` alone know the library. ``log_reader.py`` reads logs by line
number, ``usage.py`` statistics.

Limits. A line that has no end yet is not shown, and after rotation a replica that has not read the
log before counts from the oldest line that is left. Which network a pod's bytes went through is not
told apart. ``HostRestarted`` and ``KeeperKilled`` are told apart as well as the engine tells: a
machine that shuts down in order asks its containers to end, which looks like somebody asking. An
engine on another machine is known by its answers alone. Both mean the same to a workload: it is
started again, and that does not count. docs/docker.md is for those who run it.
"""

from services.provisioner.backends.docker.backend import DockerBackend

__all__ = ["DockerBackend"]
