"""Every place of a stack in which a secret value could lie: what it is, and how it is read.

Each is read by a command whose output is all that lies there.
"""

from collections.abc import Iterator

from tests.stack.stack import BUILT_LABEL, INSTALLATION_LABEL, SERVICES, Stack, run

Place = tuple[str, tuple[str, ...]]

_METRICS = f"""
import urllib.request
for service in {SERVICES}:
    with urllib.request.urlopen(f"http://{{service}}:8766/metrics", timeout=10) as answer:
        print(answer.read().decode())
"""


def places(stack: Stack) -> Iterator[Place]:
    """Return all but what is large: databases, queues, logs, metrics, what the engine knows."""
    (postgres,) = stack.containers("postgres")
    (rabbitmq,) = stack.containers("rabbitmq")
    yield "PostgreSQL", ("docker", "exec", postgres, "pg_dumpall", "-U", "postgres")
    # Queues' messages and the log in which all that were ever taken are written first.
    yield "RabbitMQ's data", ("docker", "cp", f"{rabbitmq}:/var/lib/rabbitmq", "-")
    api = stack.containers("api")[0]
    yield "the metrics of all services", ("docker", "exec", api, "python", "-c", _METRICS)
    for container in stack.containers("builder"):
        yield "the builder's files", ("docker", "cp", f"{container}:/var/lib/cassini", "-")
    yield from _engine(stack)


def large_places(stack: Stack) -> Iterator[Place]:
    """Return the built images, layer by layer, and all files of workloads' containers."""
    for image in images(stack):
        yield f"the layers of image {image}", ("docker", "save", image)
    for pod in stack.pods():
        name = pod.container
        yield f"the files of {name}", ("docker", "export", name)
        yield f"the home of {name}", ("docker", "cp", f"{name}:/home/jovyan", "-")


def images(stack: Stack) -> list[str]:
    """Return the ids of the images that this installation built."""
    label = f"label={BUILT_LABEL}={stack.installation_id()}"
    found = run("docker", "images", "--no-trunc", "--quiet", "--filter", label)
    return sorted(set(found.split()))


def _engine(stack: Stack) -> Iterator[Place]:
    """Return what the engine tells of everything of the project and of its workloads."""
    containers = _named(stack, "ps", "--all", "--format", "{{.Names}}")
    for name in containers:
        yield f"the log of {name}", ("docker", "logs", name)
    yield "docker inspect", ("docker", "inspect", *containers)
    # The engine's processes are this machine's.
    yield "the arguments of processes", ("ps", "-ewwo", "args")
    for kind in ("network", "volume"):
        names = _named(stack, kind, "ls", "--quiet")
        yield f"docker {kind} inspect", ("docker", kind, "inspect", *names)
    all_images = (*images(stack), stack.image)
    yield "docker image inspect", ("docker", "image", "inspect", *all_images)
    for image in all_images:
        yield f"the history of {image}", ("docker", "history", "--no-trunc", image)


def _named(stack: Stack, *words: str) -> list[str]:
    labels = (
        f"com.docker.compose.project={stack.project}",
        f"{INSTALLATION_LABEL}={stack.installation_id()}",
    )
    return [
        name
        for label in labels
        for name in run("docker", *words, "--filter", f"label={label}").split()
    ]
