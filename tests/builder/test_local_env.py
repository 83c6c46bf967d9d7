"""What only environments do; see test_backends for the rest. The cache is shared, to be quick."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cassini.contracts.images import ImageSpec
from cassini.runtime.errors import BackendError, GiveUp
from services.builder.backends.local_env import MARKER, LocalEnvBackend
from services.builder.recipe import Recipe, digest_of

ROOT = Path(__file__).parents[2]
SIX = ImageSpec(requirements="six==1.17.0\n")


@pytest.fixture
def images(tmp_path):
    return tmp_path / "images"


@pytest.fixture
def backend(images, cache):
    return LocalEnvBackend(images=images, cache=cache)


@pytest.fixture
def slow_uv(tmp_path):
    """A uv that stays in the installation, with a child, until it is killed."""
    script = tmp_path / "slow-uv"
    script.write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        case "$1" in venv) exec {sys.executable} -m uv "$@";; esac
        echo "installing for ever" >&2
        sleep 600 &
        echo $! > {tmp_path}/child
        wait
        """)
    )
    script.chmod(0o755)
    return script


def image_python(image, code):
    python = Path(image.reference, "bin", "python")
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout


def child_of(folder):
    """Return the process id that the slow uv wrote, 0 before it did."""
    try:
        return int((folder / "child").read_text() or 0)
    except FileNotFoundError:
        return 0


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(fact, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def test_an_image_is_an_environment_named_by_its_digest(backend, images, log):
    recipe = await backend.resolve(SIX, log)
    image = await backend.build(recipe, log)
    assert digest_of(recipe.lock, recipe.python, recipe.platform) == image.digest
    assert str(images / image.digest) == image.reference
    assert image_python(image, "import six; print(six.__version__)") == "1.17.0\n"
    assert image == await backend.verify(image.digest)
    assert log.count_of("Installed 1 package") == 1
    assert list(images.glob("*/lib/python*/site-packages/__pycache__/six.*.pyc"))


async def test_a_second_build_changes_nothing(backend, images, log):
    recipe = await backend.resolve(SIX, log)
    image = await backend.build(recipe, log)
    marker = images / image.digest / MARKER
    before = marker.stat().st_mtime_ns
    assert image == await backend.build(recipe, log)
    assert before == marker.stat().st_mtime_ns
    assert log.count_of("Installed") == 1


async def test_what_a_crash_left_is_built_again(backend, images, log):
    recipe = await backend.resolve(SIX, log)
    leftover = images / recipe.digest
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("")
    assert await backend.verify(recipe.digest) is None
    assert await backend.build(recipe, log) == await backend.verify(recipe.digest)
    assert not (leftover / "half").exists()


async def test_an_image_whose_interpreter_is_gone_is_built_again(backend, images, log):
    recipe = await backend.resolve(SIX, log)
    image = await backend.build(recipe, log)
    python = images / image.digest / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert await backend.verify(image.digest) is None
    assert image == await backend.build(recipe, log)
    assert image_python(image, "print('ok')") == "ok\n"


async def test_everybody_can_read_an_image_whatever_the_umask(backend, images, log):
    before = os.umask(0o077)
    try:
        image = await backend.build(await backend.resolve(SIX, log), log)
    finally:
        os.umask(before)
    for path in [images, *(images / image.digest).rglob("*"), images / image.digest]:
        if not path.is_symlink():
            wanted = 0o555 if path.is_dir() else 0o444
            assert (wanted, 0) == (path.stat().st_mode & wanted, path.stat().st_mode & 0o022), path


async def test_cancelling_ends_every_process_and_leaves_nothing(
    images, cache, log, slow_uv, tmp_path
):
    recipe = await LocalEnvBackend(images=images, cache=cache).resolve(SIX, log)
    backend = LocalEnvBackend(images=images, cache=cache, binary=slow_uv)
    build = asyncio.create_task(backend.build(recipe, log))
    await until(lambda: log.count_of("installing for ever") and child_of(tmp_path))
    child = child_of(tmp_path)
    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build
    await until(lambda: not alive(child))
    assert not (images / recipe.digest).exists()


async def test_after_a_killed_platform_a_build_waits_for_the_installer_left_behind(
    images, cache, log, slow_uv, tmp_path
):
    backend = LocalEnvBackend(images=images, cache=cache)
    recipe = await backend.resolve(SIX, log)
    platform = start_platform(images, cache, slow_uv)
    child = 0
    try:
        await until(lambda: child_of(tmp_path))
        child = child_of(tmp_path)
        installer = os.getpgid(child)
        platform.kill()
        platform.wait()
        build = asyncio.create_task(backend.build(recipe, log))
        await until(lambda: log.count_of("being built already"))
        assert alive(child)
        os.killpg(installer, signal.SIGKILL)
        image = await asyncio.wait_for(build, 20)
    finally:
        platform.kill()
        platform.wait()
        if child and alive(child):
            os.killpg(os.getpgid(child), signal.SIGKILL)
    assert image == await backend.verify(recipe.digest)


def start_platform(images, cache, binary):
    code = textwrap.dedent(f"""\
        import asyncio
        from pathlib import Path
        from cassini.contracts.images import ImageSpec
        from services.builder.backends.local_env import LocalEnvBackend
        async def quiet(line): pass
        async def main():
            places = dict(images=Path({str(images)!r}), cache=Path({str(cache)!r}))
            spec = ImageSpec(requirements="six==1.17.0")
            recipe = await LocalEnvBackend(**places).resolve(spec, quiet)
            await LocalEnvBackend(**places, binary=Path({str(binary)!r})).build(recipe, quiet)
        asyncio.run(main())
        """)
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)


async def test_what_only_containers_can_have_is_refused_by_name(backend, log):
    spec = ImageSpec(apt=("git",), post_build="true", requirements="six")
    with pytest.raises(GiveUp, match="apt, post_build") as caught:
        await backend.resolve(spec, log)
    assert "NeedsContainers" == caught.value.reason


async def test_a_recipe_for_another_python_is_refused(backend, log):
    with pytest.raises(GiveUp) as caught:
        await backend.build(Recipe("", "cpython-2.7", "linux-x86_64"), log)
    assert caught.value.reason == "OtherPython"


async def test_a_full_disk_is_said_clearly(backend, images, log, monkeypatch):
    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    recipe = await backend.resolve(SIX, log)
    monkeypatch.setattr("services.builder.backends.local_env.os.fsync", no_room)
    with pytest.raises(BackendError, match="make room") as caught:
        await backend.build(recipe, log)
    monkeypatch.undo()
    assert caught.value.code == "disk_full"
    assert await backend.verify(recipe.digest) is None
