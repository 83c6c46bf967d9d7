from cassini.testing.clock import FakeClock
from services.provisioner.logs import PodLogs
from services.provisioner.testing import ScriptedBackend
from tests.provisioner.wishes import WORKLOAD


async def test_a_pods_lines_are_the_backends():
    logs = PodLogs(ScriptedBackend(FakeClock()))
    name = f"{WORKLOAD}-1-0-2"
    assert await logs.pod_logs(name, previous=True, lines=5) == [f"{name} previous=True"]


async def test_what_is_no_pods_name_has_no_lines():
    logs = PodLogs(ScriptedBackend(FakeClock()))
    assert await logs.pod_logs("../../etc/passwd", previous=False, lines=5) == []
