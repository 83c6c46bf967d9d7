# ruff: noqa: ASYNC240 - a folder is made and looked at in microseconds
"""The platform started by somebody who is not root, on a machine where the tests are root's."""

import asyncio
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.provisioner.backends.local.machine import SERVER

PROJECT = Path(__file__).parents[4]


NORMAL_USER = """
import asyncio, sys
from pathlib import Path
from services.provisioner.backends.local import LocalBackend
from services.provisioner.plan import HttpProbe, PodName, PodPlan

async def main(data):
    backend = LocalBackend(data=data, installation_id=sys.argv[3], limits="none")
    await backend.open()
    print((await backend.describe()).isolation)
    plan = PodPlan(name=PodName(sys.argv[4], 1, 0, 1), declarer="api", owner_id="b" * 32,
        image=str(data / "images" / "digest"), environment={"SERVER": sys.argv[2]},
        script="echo $HOME; id -un; ls /home/jovyan; ls -a " + str(data) + "\\n"
               "grep CapEff /proc/self/status; echo 1 main begin >> $CASSINI_REPORT\\n"
               "exec python3 -I -S -c \\"$SERVER\\"",
        secret_variables={}, cores=1.0, memory_bytes=10**9, ports=(8888,),
        readiness=HttpProbe(8888, "/"), grace_seconds=1.0)
    await backend.create(plan, {})
    async with asyncio.timeout(15):
        while not (pods := await backend.list_pods())[0].ready:
            assert pods[0].phase != "ended", pods
            await asyncio.sleep(0.02)
    print("ready")
    page = await backend.read_logs(plan.name, first=0, lines=30)
    print("\\n".join(line.text for line in page.lines))
    await backend.remove(plan.name)
    print(await backend.list_pods())
    await backend.close()

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_normal_user_gets_namespaces_too(machine):
    if os.geteuid() != 0:
        pytest.skip("the other tests run as a normal user already")
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no Python here that another user may run")
    folder = machine.data / "users"
    (folder / "images" / "digest" / "bin").mkdir(parents=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    result = await asyncio.to_thread(
        subprocess.run,
        [python, "-c", NORMAL_USER, folder, SERVER, machine.installation, machine.workload],
        cwd=PROJECT,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": sysconfig.get_path("purelib"),
        },
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = result.stdout.splitlines()
    if "ModuleNotFoundError" in result.stderr:
        pytest.skip("another user may run no Python here that fits our libraries")
    assert result.returncode == 0, result.stderr
    if lines[0] != "namespaces":
        pytest.skip("this machine does not allow user namespaces")
    assert lines[:4] == ["namespaces", "ready", "/home/jovyan", "jovyan"]
    assert "owners.json" not in result.stdout
    assert "homes" not in lines
    assert lines[-2:] == ["CapEff:\t0000000000000000", "[]"]
