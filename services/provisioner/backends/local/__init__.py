"""Pods as processes on this machine.

Each pod is kept by a shim (``shim/``), a small process that outlives this one: it starts the pod,
keeps its log, ends it within its grace, and writes down how it ended. The truth about a pod is in
its folder (``shim/state.py`` names the files) and in who holds the lock there, so any later backend
on the same data directory adopts it (``attempt.py``), exit code included.

The way of ``create``: ``places.py`` makes the folders, owned by the user id that ``owners.py``
keeps for the pod's owner; ``ports.py`` picks ports; the intent is put down; ``start.py`` joins what
the shim is told, with ``layout.py`` for what the pod sees and ``limits.py`` for what it may use.
The intent is there before a shim is started: a crash between the two leaves a pod that is listed as
STARTING with a message saying so, and ``create`` with the same plan begins it. The shim takes the
lock before it begins, and no attempt is begun twice.

Afterwards ``watch.py`` learns the shim's end from the kernel, and reads the steps that the pod
reports (``../report.py``) and asks its port (``probe.py``; ``listening.py`` tells whether it is the
pod that answers) until it is ready. All that only hints: ``list_pods`` reads the folders again.
``log_files.py`` reads what the shim keeps of a pod's output.

``usage.py`` measures what pods use: control groups (``group_usage.py``) and else processes
(``process_usage.py``) tell processor time and memory, the kernel's connections (``sockets.py``) the
network.

What a pod gets depends on the machine, and ``abilities.py`` finds it out when the backend opens, by
running an empty pod:

- namespaces (root, or where user namespaces are allowed): its own view of files and processes, and
  the kernel ends all of it when its first process ends. Else its home is named by its real path,
  and the shim adopts and kills what is left.
- limits by control groups (version 2 as root or delegated, version 1 as root).
- as root: a user of its own for every owner of pods.

What it cannot do: without namespaces and groups, a process that cleared its environment, closed
its files and lost its keeper to a SIGKILL is not found; without namespaces pods see this machine's
files as far as their user may, and where control groups are delegated to that user, can change
their own limits. Linux 5.3 or later (pidfd).

``shim/`` is one side of a line: it runs by itself and imports the standard library only. The other
files run in the platform, and use the shim's as far as both must agree.
"""

from services.provisioner.backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]
