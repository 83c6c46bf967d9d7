"""An older copy of one service's database is put back: all sides meet again, and no home is lost.

A random piece of work is done (its seed is printed), the databases are copied in the middle of it,
sometimes while something is on its way; the platform stops, the copy of one of them is put back,
and the platform starts. The secret store is put back alone and together with its database, too.
"""

import os
import random
import tempfile
from pathlib import Path

import pytest

from tests.system.crash.facts import homes
from tests.system.crash.lanes import prepared, zygote
from tests.system.crash.restoring import put_back

PUT_BACK = [
    ("api",),
    ("provisioner",),
    ("secrets",),
    ("store",),
    ("secrets", "store"),
    ("builder",),
    ("scheduler",),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with zygote(tmp_path_factory.mktemp("zygote") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def ground(server):
    with prepared(server) as ground:
        yield ground


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", PUT_BACK, ids="-and-".join)
def test_an_older_copy_of_one_database_is_put_back(server, ground, what):
    seed = int(os.environ.get("CASSINI_TEST_SEED", random.randrange(10**9)))
    print(f"seed {seed}: CASSINI_TEST_SEED={seed} makes the same choices")
    with ground.fresh() as home, tempfile.TemporaryDirectory() as copies:
        job = {"home": str(home), "images": ground.images, "token": ground.token}
        worked = server.do(kind="work", seed=seed, copies=copies, **job)
        assert 0 == worked.ended, worked.told
        print("\n".join(worked.told["did"]))
        put_back(home, Path(copies), what)
        back = server.do(kind="come back", **job)
        print(f"met again after {back.last('took')} s; strays: {back.last('strays')}")
        wrong = [each for some in back.told.get("wrong", []) for each in some]
        assert not wrong, f"seed {seed}:\n" + "\n".join(wrong)
        assert 0 == back.ended, back.told
        for workspace in worked.last("ran"):
            (place,) = homes(home, workspace)
            assert workspace == (place / "kept").read_text()
        strays = [f"workload {workspace}" for workspace in worked.last("newer")]
        assert (strays if "api" in what else []) == back.last("strays")
