"""What a pod sees: its environment, and with namespaces its own view of the files.

Hidden are ``/home``, the data directory, the home of the platform's user, and every directory
that the pod's user could not traverse on the way to something it needs; shown again, each at its
own absolute path, are the image, the interpreter under it, the overlay and the pod's own folder.
Control groups of version 2 are shown to be read only: where they are delegated to the platform's
user, who is also the pod's, the pod could else raise its own limits.
Without namespaces nothing can be hidden: what says ``/home/jovyan`` is mapped to the real home.
"""

import os
import pwd
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from services.provisioner.backends.local.limits import hierarchies
from services.provisioner.backends.local.places import Places
from services.provisioner.backends.local.shim import isolation, processes, state
from services.provisioner.plan import PodPlan

HOME = "/home/jovyan"
_RUNTIME = "/home/.runtime"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - covered by the pod's own, not written to
_HOME_MENTION = re.compile(re.escape(HOME) + r"(?![\w-])")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TRUST_VARIABLES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
)
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_PASSED_ON = (
    *_TRUST_VARIABLES,
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    *_PROXY_VARIABLES,
    *(name.upper() for name in _PROXY_VARIABLES),
)

Mount = tuple[str, str, str]


def memory_folder(plan: PodPlan, places: Places) -> Path:
    """Return where a pod without namespaces keeps what must not be on a disk."""
    if _SHARED_MEMORY.is_dir():
        return _SHARED_MEMORY / f"cassini-{plan.name}"
    return places.attempt(plan.name) / state.INSIDE / "runtime"


def environment(
    plan: PodPlan,
    secrets: Mapping[str, str],
    ports: Mapping[int, int],
    places: Places,
    *,
    installation_id: str,
    namespaces: bool,
) -> dict[str, str]:
    """Return the whole environment of a pod's processes, secret values included."""
    inside = places.attempt(plan.name) / state.INSIDE
    overlay, image = places.overlay(plan.name), Path(plan.image)
    result = {name: value for name in _PASSED_ON if (value := os.environ.get(name)) is not None}
    result |= {"LANG": "C.UTF-8", "SHELL": "/bin/bash" if _has_bash() else "/bin/sh"}
    result |= {**plan.environment, **secrets}
    runtime = _RUNTIME if namespaces else str(memory_folder(plan, places))
    rest = plan.environment.get("PATH", _SYSTEM_PATH)
    result |= {
        processes.POD_MARK: str(plan.name),
        processes.INSTALLATION_MARK: installation_id,
        "HOME": HOME,
        "USER": "jovyan",
        "LOGNAME": "jovyan",
        "NB_USER": "jovyan",
        "PATH": f"{overlay / 'bin'}:{image / 'bin'}:{rest}",
        "CASSINI_OVERLAY": str(overlay),
        "CASSINI_IMAGE": str(image),
        "CASSINI_REPORT": str(inside / state.REPORT),
        "JUPYTER_RUNTIME_DIR": f"{runtime}/jupyter",
        "XDG_RUNTIME_DIR": runtime,
    }
    if plan.ports:
        result["PORT"] = str(ports[plan.ports[0]])
    if namespaces:
        return result
    home = str(places.home(plan.name.workload_id))
    mapped = {name: map_home(value, home) for name, value in result.items()}
    return {"TMPDIR": str(inside / "tmp"), **mapped}


def _has_bash() -> bool:
    return Path("/bin/bash").exists()


def map_home(text: str, home: str) -> str:
    """Return the text with ``/home/jovyan`` replaced by a real home."""
    return _HOME_MENTION.sub(lambda _: home, text)


def mounts(plan: PodPlan, places: Places, uid: int, gid: int) -> list[Mount]:
    """Return what to mount for a pod of this user, parents before children."""
    inside = places.attempt(plan.name) / state.INSIDE
    overlay, image = places.overlay(plan.name), Path(plan.image)
    shown: list[tuple[str, Path, Path]] = [
        (isolation.BIND, places.home(plan.name.workload_id), Path(HOME)),
        (isolation.BIND, inside / "tmp", Path("/tmp")),  # noqa: S108 - the target: a private one
        (isolation.BIND, inside, inside),
        (isolation.BIND, overlay, overlay),
        (isolation.READ_ONLY, image, image),
    ]
    outside = [path for path in (*interpreter_prefixes(image), *_trusted()) if path.exists()]
    needed = [target for _, _, target in shown] + outside
    hidden = {Path("/home"), places.data, *_own_home()}
    hidden |= {barrier for path in needed if (barrier := _barrier(path, uid, gid))}
    shown += [
        (isolation.READ_ONLY, path, path)
        for path in outside
        if hidden & {path, *path.parents} and path not in places.data.parents
    ]
    shown += [
        (isolation.READ_ONLY, each.folder, each.folder) for each in hierarchies() if each.unified
    ]
    memory: list[Mount] = [(isolation.MEMORY, f"mode=0700,uid={uid},gid={gid},size=64m", _RUNTIME)]
    if _SHARED_MEMORY.is_dir() and not _SHARED_MEMORY.is_symlink():
        memory.append((isolation.MEMORY, "mode=1777", str(_SHARED_MEMORY)))
    found = [(isolation.HIDE, "", str(path)) for path in hidden] + memory
    found += [(kind, str(source), str(target)) for kind, source, target in dict.fromkeys(shown)]
    return sorted(found, key=lambda mount: (len(Path(mount[2]).parts), mount[0] != isolation.HIDE))


def interpreter_prefixes(image: Path) -> list[Path]:
    """Return the installations of Python that a virtual environment stands on."""
    folders = []
    configuration = image / "pyvenv.cfg"
    if configuration.exists():
        for line in configuration.read_text().splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                folders.append(Path(value.strip()))
    link = image / "bin" / "python"
    for _ in range(20):  # a loop of links ends too
        if not link.is_symlink():
            break
        link = Path(os.path.normpath(link.parent / link.readlink()))
        folders.append(link.parent)
    folders += [folder.resolve() for folder in folders]
    prefixes = [folder.parent for folder in folders if folder.name == "bin"]
    return [path for path in dict.fromkeys(prefixes) if path != image]


def _trusted() -> Iterable[Path]:
    """Return the certificates that the environment passed on speaks of."""
    return [Path(value) for name in _TRUST_VARIABLES if (value := os.environ.get(name))]


def _own_home() -> Iterable[Path]:
    try:
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
        # Some system users have a home like /usr/sbin, which is not theirs.
        ours = home.stat().st_uid == os.getuid() and home != Path("/")
    except (KeyError, OSError):
        return []
    return [home] if ours and len(home.parts) > 1 else []


def _barrier(path: Path, uid: int, gid: int) -> Path | None:
    """Return the first directory above that this user cannot traverse."""
    for parent in reversed(path.parents):
        try:
            found = parent.stat()
        except OSError:
            return None
        if found.st_uid == uid:
            allowed = stat.S_IXUSR
        elif found.st_gid == gid:
            allowed = stat.S_IXGRP
        else:
            allowed = stat.S_IXOTH
        if not found.st_mode & allowed:
            return parent
    return None
