"""What must be true of a data directory when all has come to rest, whatever happened before.

``broken`` returns what is not: rows of both sides of the protocol that disagree, pods that are not
wished or wished and not there, processes that belong to no pod, a main command that was started
twice, a home that is lost or doubled, tokens that do not work, leases and values nobody needs.
``end_state`` says the rest in a form that is the same in every run.
"""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from services.provisioner.leases import lease_id
from tests.system.crash.running import OWNERS, Running

_GRANTED = "SELECT id FROM lease WHERE status <> 'absent'"
_VOLATILE = ("id", "name", "subdomain", "k8s_name", "url", "created_at", "updated_at", "started_at")


async def broken(here: Running, *, restored: bool = False) -> list[str]:
    """Return every broken promise of a platform at rest.

    ``restored``: an older copy of a database was put back, so attempts may be higher than without
    that, values may be left that nobody remembers, one that is missing is found out when it is
    needed, and what was deleted at once may never have had a home.
    """
    wished = _wishes(here)
    problems = _two_sides(here)
    problems += await _pods(here, wished)
    problems += _processes(here.home, wished)
    problems += await _shown(here, wished)
    problems += _leases(here, wished)
    problems += [] if restored else values(here, left=False)
    for workload_id, wish in wished.items():
        problems += _home(here.home, workload_id, wish, exactly=not restored)
        if not restored:
            problems += _started_once(here.home, workload_id)
    return problems


def _wishes(here: Running) -> dict[str, dict[str, Any]]:
    found = here.rows("api", "SELECT id, wish FROM declaration WHERE noun = 'workload'")
    return {row["id"]: json.loads(row["wish"]) for row in found}


def _two_sides(here: Running) -> list[str]:
    """Compare each wish with its owner's row."""
    problems = []
    for declarer in ("api", "provisioner"):
        for wish in here.rows(declarer, "SELECT * FROM declaration"):
            if wish["noun"] not in OWNERS:
                continue
            query = f"SELECT * FROM {wish['noun']} WHERE id = :id"
            kept = here.rows(OWNERS[wish["noun"]], query, id=wish["id"])
            what = f"{wish['noun']} {wish['id']}"
            if not kept:
                problems.append(f"{what} is wished for and has no row")
                continue
            (row,) = kept
            problems += [
                f"{what}: {name} {wish[name]} wished, {row[name]} accepted"
                for name in ("generation", "wish_digest")
                if wish[name] != row[name]
            ]
            if wish["observed_sequence"] != row["sequence"] and row["sequence"]:
                problems.append(f"{what}: the newest fact has not come")
            if row["surprises"]:
                problems.append(f"{what}: {row['surprises']} unexpected failures")
    return problems


async def _pods(here: Running, wished: dict[str, dict[str, Any]]) -> list[str]:
    """Compare the pods that the backend lists with the wishes: one each, and nothing beside."""
    listed = Counter(
        f"{_rank(str(pod.name))} {pod.phase} {'ready' if pod.ready else 'not ready'}"
        for pod in await here.platform.backend.list_pods()
    )
    expected = Counter(f"{rank} started ready" for rank in _wished_ranks(wished))
    return [
        *(f"there is no pod {name}" for name in (expected - listed)),
        *(f"nobody wished for the pod {name}" for name in (listed - expected)),
    ]


def _processes(home: Path, wished: dict[str, dict[str, Any]]) -> list[str]:
    """Compare the processes of this installation with the wishes."""
    servers, keepers = alive(home)
    expected = Counter(_wished_ranks(wished))
    problems = []
    for what, pods in (("server", servers.values()), ("shim", keepers)):
        found = Counter(_rank(pod) for pod in pods)
        problems += [f"no {what} of {rank} runs" for rank in expected - found]
        problems += [f"a {what} of {rank} runs that should not" for rank in found - expected]
    return problems


def _rank(pod: str) -> str:
    """Return the name of a pod without its attempt."""
    return pod.rpartition("-")[0]


def _wished_ranks(wished: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{workload_id}-{wish['revision']}-0"
        for workload_id, wish in wished.items()
        if wish["wanted"] == "running"
    ]


def alive(home: Path) -> tuple[dict[int, str], list[str]]:
    """Return the main processes (pid -> pod) and the pods of the shims of an installation."""
    mark = f"CASSINI_INSTALLATION={(home / 'installation-id').read_text().strip()}".encode()
    servers: dict[int, str] = {}
    keepers = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            words = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if mark in words and b"jupyterlab" in command:
                (pod,) = (w for w in words if w.startswith(b"CASSINI_POD="))
                servers[int(entry.name)] = pod.partition(b"=")[2].decode()
            elif any(word.endswith(b"shim.py") for word in command):
                pod_name = command[-2].decode()
                if (home / "workloads" / pod_name[:32]).exists():
                    keepers[int(entry.name)] = pod_name
    first = {pid for pid in keepers if _parent(pid) not in keepers}
    return servers, [keepers[pid] for pid in first]


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


async def _shown(here: Running, wished: dict[str, dict[str, Any]]) -> list[str]:
    """Compare what the API shows and lets in with what runs."""
    problems = []
    servers, _ = alive(here.home)
    tokens = {_rank(pod): environment(pid) for pid, pod in servers.items()}
    for workload_id, wish in wished.items():
        if wish["wanted"] != "running":
            continue
        link = (await here.ask("GET", f"/api/workspaces/{workload_id}/open")).json().get("url")
        variables = tokens.get(f"{workload_id}-{wish['revision']}-0", {})
        path = f"/api/workspaces/{workload_id}"
        mine = await here.ask("GET", path, token=variables.get("SATURN_TOKEN", "none"))
        if mine.status_code != httpx.codes.OK:
            problems.append(f"the token of {workload_id} is answered {mine.status_code}")
        if link is None or (await here.http.get(link)).status_code != httpx.codes.OK:
            problems.append(f"the link of {workload_id} does not open: {link and link[:40]}")
    return problems


def environment(pid: int) -> dict[str, str]:
    """Return the environment of a process."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)
    return {}


def _leases(here: Running, wished: dict[str, dict[str, Any]]) -> list[str]:
    """Look for leases that are not of a running revision, on both sides."""
    needed = {
        lease_id(workload_id, wish["revision"])
        for workload_id, wish in wished.items()
        if wish["wanted"] == "running"
    }
    declared = here.rows("provisioner", "SELECT id, wish FROM declaration WHERE noun = 'lease'")
    asked = {row["id"] for row in declared if json.loads(row["wish"])["wanted"] == "present"}
    granted = {row["id"] for row in here.rows("secrets", _GRANTED)}
    return [
        f"leases are {what} for {len(found - needed)} revisions that are gone, and lack for "
        f"{len(needed - found)} that run"
        for what, found in (("asked", asked), ("granted", granted))
        if found != needed
    ]


def values(here: Running, *, left: bool) -> list[str]:
    """Look for values that a resource needs and the store lacks, or keeps for nobody."""
    needed = {row["id"] for row in here.rows("api", "SELECT id FROM platform_credential")}
    stored = {path.name.partition(".")[0] for path in (here.home / "store").iterdir()}
    problems = [f"the value {id_} is missing" for id_ in needed - stored]
    return problems if left else [*problems, *(f"{id_} is left" for id_ in stored - needed)]


def homes(home: Path, workload_id: str) -> list[Path]:
    """Return every place where a home of this workload is, live or in the trash."""
    live = home / "homes" / workload_id
    return [*(home / "trash").glob(f"{workload_id}-*"), *([live] if live.exists() else [])]


def _home(home: Path, workload_id: str, wish: dict[str, Any], *, exactly: bool) -> list[str]:
    """Look for the home of a workload: once, and where it belongs."""
    found = homes(home, workload_id)
    least = int(wish["wanted"] == "running" or (exactly and wish["revision"] > 0))
    if not least <= len(found) <= 1:
        return [f"the home of {workload_id} is there {len(found)} times: {found}"]
    if any((place.parent.name == "homes") == (wish["wanted"] == "absent") for place in found):
        return [f"the home of {workload_id}, wanted {wish['wanted']}, is in {found}"]
    return []


def _started_once(home: Path, workload_id: str) -> list[str]:
    """Look for a main command that ran twice, or a second attempt of what never failed."""
    files = [place / "starts" for place in homes(home, workload_id)]  # JupyterLab writes none
    starts = [start for file in files if file.exists() for start in file.read_text().split()]
    if len(starts) != len(set(starts)) or any(not start.endswith("-0-1") for start in starts):
        return [f"{workload_id} was started more than once: {starts}"]
    return []


async def end_state(here: Running, workload_id: str) -> dict[str, Any]:
    """Return what one workspace has become, without what differs from run to run."""
    shown = await here.workspace(workload_id)
    if shown is not None:
        shown = {name: value for name, value in shown.items() if name not in _VOLATILE}
    owned = here.rows("provisioner", "SELECT * FROM workload WHERE id = :id", id=workload_id)
    fact = json.loads(owned[0]["fact"]) if owned else {}
    query = "SELECT * FROM declaration WHERE noun = 'workload' AND id = :id"
    wishes = here.rows("api", query, id=workload_id)
    places = {
        "home": (here.home / "homes" / workload_id).exists(),
        "attempts": (here.home / "workloads" / workload_id).exists(),
        "trash": len(list((here.home / "trash").glob(f"{workload_id}-*"))),
        "erasing": len(list((here.home / "trash").glob("removed-*"))),
    }
    return {
        "shown": shown,
        "fact": {name: fact.get(name) for name in ("status", "reason", "message")},
        "tombstone": [row["tombstone"] for row in owned],
        "wanted": [json.loads(row["wish"])["wanted"] for row in wishes],
        "numbers": [(row["generation"], row["revision"]) for row in wishes],
        "places": places,
        "resource_rows": _count_rows(here, workload_id),
    }


def _count_rows(here: Running, workload_id: str) -> dict[str, int]:
    counts = {}
    for table, column in (("workspace", "id"), ("platform_credential", "resource_id")):
        query = f"SELECT count(*) AS n FROM {table} WHERE {column} = :id"
        counts[table] = (here.rows("api", query, id=workload_id))[0]["n"]
    return counts
