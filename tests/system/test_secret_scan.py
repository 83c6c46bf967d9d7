"""No secret value lies anywhere but in the encrypted store: a scan after a full scenario.

Scanned are all files of the data directory, while the platform runs and after it was stopped, what
it printed, what pods printed, the arguments of all its processes, and every answer of the API but
the one that is meant to show a value.
"""

import base64
from urllib.parse import quote

import pytest

from tests.system.planted import Planted
from tests.system.platform import SIGN_IN
from tests.system.secret_scenario import scenario, search_answers

pytestmark = [
    pytest.mark.jupyter,
    pytest.mark.xdist_group("jupyter"),
    pytest.mark.timeout(600),
]

BUILT = ("images", "package-cache")
"""Large, and looked through once, at the end."""


def test_no_secret_value_is_outside_the_store(up):
    planted = Planted()
    platform = up()
    workspace, clients = scenario(platform, planted, "admin", platform.says(SIGN_IN))
    assert len(planted.values) == 14

    processes = platform.home.processes()
    assert len(processes) >= 3
    for pid, words in processes.items():
        planted.search(f"the arguments of process {pid}", words.encode())
    planted.search_files(platform.home.path, but=BUILT)
    search_answers(clients, planted)

    client = clients[1]
    client.do("stop", workspace)
    client.wait_for(workspace, "stopped")
    planted.search_files(platform.home.path, but=BUILT)
    # Compressed in the database, where the files are not looked into.
    archived = client.ask("GET", f"/api/workspaces/{workspace}/logs?page_size=1000")["logs"]
    assert "SATURN_TOKEN" in {each["content"] for each in archived}
    planted.search("archived logs", "\n".join(each["content"] for each in archived).encode())
    client.delete(workspace)
    assert 0 == platform.end()
    planted.search_files(platform.home.path)
    planted.search("the log", platform.err.read_bytes())
    planted.search("the printed lines", platform.out.read_bytes(), but=("sign-in code",))
    assert [] == sorted(set(planted.found))


def test_the_scan_finds_what_lies_around(tmp_path):
    """The scan itself: each form of a value is found wherever it begins."""
    value = "a-planted-value/with+signs=="
    for place, content in enumerate(
        [
            value.encode(),
            quote(value, safe="").encode(),
            value.encode().hex().encode(),
            *(base64.b64encode(b"x" * shift + value.encode() + b"yz") for shift in range(3)),
        ]
    ):
        planted = Planted()
        planted.add("value", value)
        file = tmp_path / str(place)
        file.write_bytes(b"\0before " + content + b" after\0")
        planted.search_files(tmp_path)
        assert [f"value in {file}"] == sorted(set(planted.found))
        file.unlink()
