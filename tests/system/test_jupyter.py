"""A Jupyter server from the first request to its deletion, as its user has it."""

import json
import threading

import httpx
import pytest

from tests.system.jupyter import Lab
from tests.system.waiting import until

pytestmark = [
    pytest.mark.jupyter,
    pytest.mark.xdist_group("jupyter"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def client(platform):
    return platform.client()


@pytest.fixture(scope="module")
def workspace(client):
    """A workspace with everything that can be given to one, running."""
    workspace = client.create(
        "full",
        start_script="echo from the start script > ~/started.txt\necho saying $COLOUR",
        extra_packages={"pip": "iniconfig"},
        config_files={".config/settings.ini": {"content": "[a]\nb = 1\n", "mode": "0640"}},
        environment_variables={"COLOUR": "blue"},
    )
    client.start(workspace)
    yield workspace
    client.delete(workspace)


@pytest.fixture(scope="module")
def lab(client, workspace):
    return Lab(client.link(workspace))


@pytest.fixture(scope="module")
def kernel(lab):
    return lab.start_kernel()


def test_it_answers_with_its_token_and_refuses_without(lab):
    assert 200 == lab.http.get("/api/status").status_code
    assert 403 == httpx.get(f"{lab.url}/api/status", trust_env=False).status_code
    wrong = {"Authorization": "token 0123"}
    answer = httpx.get(f"{lab.url}/api/status", headers=wrong, trust_env=False)
    assert 403 == answer.status_code


def test_its_shown_address_is_without_the_token(client, workspace, lab):
    shown = client.show(workspace)
    assert f"{lab.url}/" == shown["url"]
    assert lab.token not in json.dumps(shown)


def test_a_cell_runs_in_the_overlay_with_the_address_and_the_token(platform, lab, kernel):
    code = """
        import json, os, sys
        names = ("SATURN_BASE_URL", "CASSINI_OVERLAY", "HOME", "COLOUR")
        said = {name: os.environ.get(name) for name in names}
        said |= {"token": len(os.environ["SATURN_TOKEN"]), "prefix": sys.prefix}
        said |= {"labs": "JUPYTER_TOKEN" in os.environ, "cwd": os.getcwd()}
        print(json.dumps(said))
    """
    said = json.loads(lab.run(_dedent(code), kernel))
    assert platform.url == said["SATURN_BASE_URL"].rstrip("/")
    assert said["token"] > 20
    assert said["CASSINI_OVERLAY"] == said["prefix"]
    assert "blue" == said["COLOUR"]


def test_a_cell_has_the_whole_path_though_jupyterlab_was_loaded_with_less(lab, kernel):
    path = lab.run("import os; print(os.environ['PATH'])", kernel).strip().split(":")
    assert path[0].endswith("/venv/bin")
    assert "/usr/bin" in path


def test_the_images_packages_are_there(lab, kernel):
    code = "import numpy, pandas, dask; print(int(numpy.arange(4).sum()))"
    assert "6" == lab.run(code, kernel).strip()


def test_start_script_packages_and_files_came_first(lab, kernel):
    code = """
        import os, pathlib, iniconfig
        home = pathlib.Path(os.environ["HOME"])
        file = home / ".config/settings.ini"
        print((home / "started.txt").read_text().strip())
        print(repr(file.read_text()), oct(file.stat().st_mode & 0o777))
        print(iniconfig.__file__.startswith(os.environ["CASSINI_OVERLAY"]))
    """
    script, file, package = lab.run(_dedent(code), kernel).strip().splitlines()
    assert "from the start script" == script
    assert "'[a]\\nb = 1\\n' 0o640" == file
    assert "True" == package


def test_a_cell_installs_packages_for_its_own_revision(lab, kernel):
    """As in a notebook: a shell's pip, and then an import without a restart."""
    said = lab.run("!pip install --quiet pathspec\nprint('installed')", kernel)
    assert said.strip().endswith("installed"), said
    said = lab.run("import pathspec; print(pathspec.__file__)", kernel)
    overlay = lab.run("import sys; print(sys.prefix)", kernel).strip()
    assert said.startswith(overlay)


def test_the_token_inside_is_for_this_workspace_only(client, workspace, lab, kernel):
    other = client.create("other")
    code = f"""
        import os, urllib.request, urllib.error
        def ask(method, path, body=None):
            headers = {{"Authorization": "token " + os.environ["SATURN_TOKEN"]}}
            headers["Content-Type"] = "application/json"
            url = os.environ["SATURN_BASE_URL"].rstrip("/") + path
            request = urllib.request.Request(url, body, headers, method=method)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
            try:
                return opener.open(request, timeout=20).status
            except urllib.error.HTTPError as error:
                return error.code
        print(ask("GET", "/api/workspaces/{workspace}"))
        print(ask("GET", "/api/workspaces/{other}"))
        print(ask("POST", "/api/workspaces/{other}/start"))
        print(ask("POST", "/api/workspaces", b'{{"name": "third"}}'))
        print(ask("POST", "/api/tokens", b'{{}}'))
    """
    assert ["200", "404", "404", "403", "403"] == lab.run(_dedent(code), kernel).split()
    assert "stopped" == client.show(other)["status"]
    client.delete(other)


def test_what_it_printed_is_in_its_log(client, workspace):
    (pod,) = client.pods(workspace)
    logs = client.ask("GET", f"/api/active/pods/{pod['name']}/logs")["logs"]
    assert "saying blue" in logs
    assert "installing packages: iniconfig" in logs


def test_two_starts_at_once_make_one_server(platform, client):
    workspace = client.create("once")
    threads = [threading.Thread(target=client.do, args=("start", workspace)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.wait_for(workspace, "running")
    assert 1 == len(platform.home.servers(workspace))
    assert 1 == len(client.pods(workspace))
    client.delete(workspace)


def test_the_life_of_a_server(platform, client):
    """Stop keeps the home and leaves no process, a restart is a new revision, delete ends all."""
    workspace = client.create("life")
    client.start(workspace)
    lab = Lab(client.link(workspace))
    lab.run("import pathlib; pathlib.Path.home().joinpath('kept.txt').write_text('kept')")
    lab.run("import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])")
    assert platform.home.processes(workspace)

    client.do("stop", workspace)
    client.wait_for(workspace, "stopped")
    assert {} == platform.home.processes(workspace)
    refused = client.http.get(f"/api/workspaces/{workspace}/open")
    assert 409 == refused.status_code
    assert [] == client.pods(workspace)
    (past,) = client.ask("GET", f"/api/workspaces/{workspace}/history")["pods"]
    assert "stopped" == past["status"]
    assert past["start_time"] < past["end_time"]
    lines = client.ask("GET", f"/api/workspaces/{workspace}/logs")["logs"]
    assert any("/lab" in each["content"] for each in lines)
    assert {past["pod_name"]} == {each["pod_name"] for each in lines}
    assert sorted(lines, key=lambda each: each["timestamp"]) == lines

    client.start(workspace)
    second = Lab(client.link(workspace))
    assert lab.token != second.token
    read = "import pathlib; print(pathlib.Path.home().joinpath('kept.txt').read_text())"
    assert "kept" == second.run(read).strip()
    revision = _revision(client, workspace)

    client.do("restart", workspace)
    until(lambda: _revision(client, workspace) == revision + 1, "a new revision")
    client.wait_for(workspace, "running")
    third = Lab(client.link(workspace))
    assert second.token != third.token
    assert 200 == third.http.get("/api/status").status_code
    assert 1 == len(platform.home.servers(workspace))

    client.delete(workspace)
    until(lambda: not platform.home.processes(workspace), "the end of its processes")
    homes = platform.home.path / "homes"
    until(lambda: not (homes / workspace).exists(), "the home's move to the trash")
    (trashed,) = (platform.home.path / "trash").glob(f"{workspace}-*")
    assert "kept" == (trashed / "kept.txt").read_text()
    client.ask("GET", f"/api/workspaces/{workspace}", status=404)


def test_shutting_down_from_inside_stops_the_workspace(platform, client):
    workspace = client.create("quits")
    client.start(workspace)
    assert 200 == Lab(client.link(workspace)).http.post("/api/shutdown").status_code
    client.wait_for(workspace, "stopped")
    assert {} == platform.home.processes(workspace)
    client.start(workspace)
    assert 200 == Lab(client.link(workspace)).http.get("/api/status").status_code
    client.delete(workspace)


def _revision(client, workspace):
    return max((int(pod["name"].split("-")[1]) for pod in client.pods(workspace)), default=0)


def _dedent(code):
    lines = code.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] for line in lines)
