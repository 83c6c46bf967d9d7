"""What only images of containers do, with a real engine; see test_backends for the rest."""

import asyncio
import time
from pathlib import Path

import pytest

from cassini.contracts.images import ImageSpec
from cassini.runtime.errors import BackendError, GiveUp
from cassini.testing.waiting import until
from services.builder.backends.docker.backend import DIGEST_LABEL, LABEL, STAGE_LABEL
from tests.builder.conftest import BASE, run_in

pytestmark = [
    pytest.mark.docker,
    pytest.mark.blocks_loop(reason="the tests themselves ask the engine"),
]

BUILDERS = pytest.mark.parametrize("builder", ["buildkit", "classic"])
SIX = ImageSpec(requirements="six==1.17.0\n")


def names_of(engine, installation):
    """Return the tags of all images that go by the installation's name."""
    repository = f"cassini/{installation[:8]}"
    names = [tag for image in engine.images.list(repository) for tag in image.tags]
    return [name for name in names if name.startswith(f"{repository}:")]


def running(word):
    """Return whether a process of this machine has a word on its command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in file.read_text().split("\0"):
                return True
        except OSError:
            continue
    return False


async def built(backend, spec, log):
    return await backend.build(await backend.resolve(spec, log), log)


@BUILDERS
@pytest.mark.timeout(300)  # Debian's index and packages are fetched without a cache
async def test_an_image_keeps_its_contract(docker_backend, engine, log, installation, builder):
    backend = docker_backend(docker_builder=builder)
    spec = ImageSpec(
        apt=("tree",), requirements="ipykernel", post_build="id -un; python -m six || touch made\n"
    )

    image = await built(backend, spec, log)

    config = engine.images.get(image.reference).attrs["Config"]
    variables = dict(each.split("=", 1) for each in config["Env"])
    prefix = "/opt/saturncloud/envs/saturn"
    assert ("jovyan", None) == (config["User"], config["Entrypoint"] or None)
    assert "8888/tcp" in config["ExposedPorts"]
    assert (prefix, "/opt/saturncloud", "/bin/bash", "/home/jovyan") == tuple(
        variables[name] for name in ("CASSINI_IMAGE", "CONDA_DIR", "SHELL", "HOME")
    )
    assert ("jovyan", "1000") == (variables["NB_USER"], variables["NB_UID"])
    assert variables["PATH"].startswith(f"{prefix}/bin:")
    assert (installation, image.digest) == (config["Labels"][LABEL], config["Labels"][DIGEST_LABEL])
    told = await run_in(
        engine,
        image,
        ["sh", "-c", "id -u; pwd; ls; tree --version; ls $CASSINI_IMAGE/share/jupyter/kernels"],
    )
    assert ["1000", "/home/jovyan", "made"] == told.split("\n")[:3]
    assert "tree v" in told
    assert told.endswith("python3\n")
    order = [
        "Installing Debian packages.",
        "Installing the packages.",
        "Running the script after the build.",
        "jovyan",
    ]
    # The first step may come out of the builder's cache, and then it says nothing.
    assert [line for line in log if line in order] in (order, order[1:])
    assert [image.reference] == names_of(engine, installation)


@BUILDERS
async def test_a_cancelled_build_ends_and_leaves_nothing(
    docker_backend, engine, log, installation, builder
):
    backend = docker_backend(docker_builder=builder)
    mark = str(time.time_ns())
    spec = ImageSpec(post_build=f"echo it runs\nsleep {mark}\n")
    build = asyncio.create_task(built(backend, spec, log))
    await until(lambda: log.count_of("it runs"), seconds=60)

    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build

    assert [] == names_of(engine, installation)
    await until(lambda: not running(mark), seconds=20)


@BUILDERS
async def test_a_build_that_takes_too_long_is_ended(
    docker_backend, engine, log, installation, builder
):
    backend = docker_backend(docker_builder=builder, build_timeout=5)
    mark = str(time.time_ns())
    with pytest.raises(BackendError, match="within"):
        await built(backend, ImageSpec(post_build=f"sleep {mark}"), log)
    await until(lambda: not running(mark), seconds=20)
    assert [] == names_of(engine, installation)


@pytest.mark.parametrize(
    ("spec", "reason", "word"),
    [
        (ImageSpec(post_build="echo too bad; false; true"), "PostBuildFailed", "too bad"),
        (ImageSpec(post_build="rm $CASSINI_IMAGE/bin/python"), "BrokenImage", "bin/python"),
        (ImageSpec(apt=("cassini-no-such",)), "PackageNotFound", "cassini-no-such"),
        (ImageSpec(base_image="debian:bookworm-slim"), "UnfitBaseImage", "python3"),
        (ImageSpec(apt=("git; rm -rf /",)), "InvalidImage", "Debian package 1"),
        (ImageSpec(base_image="a\nRUN id"), "InvalidImage", "base image"),
    ],
)
async def test_what_can_never_work_is_given_up_with_the_reason(
    docker_backend, engine, log, installation, spec, reason, word
):
    with pytest.raises(GiveUp) as caught:
        await built(docker_backend(), spec, log)
    assert reason == caught.value.reason
    assert word in caught.value.message
    assert [] == names_of(engine, installation)


async def test_a_registry_of_base_images_that_is_away_is_tried_again_later(docker_backend, log):
    spec = ImageSpec(base_image="127.0.0.1:9/nothing:1", requirements="six")
    with pytest.raises(BackendError, match="refused"):
        await docker_backend().resolve(spec, log)


async def test_an_engine_that_is_away_is_tried_again_later(docker_backend, log):
    backend = docker_backend(docker_host="unix:///nowhere/docker.sock")
    with pytest.raises(BackendError) as caught:
        await backend.verify("0" * 64)
    assert "engine_unreachable" == caught.value.code


async def test_conda_that_cannot_be_had_says_so(docker_backend, log):
    spec = ImageSpec(environment_yml="dependencies:\n- python=3.12\n")
    backend = docker_backend(conda_image="127.0.0.1:9/micromamba:2")
    recipe = await backend.resolve(spec, log)
    assert "cpython-3.12" == recipe.python
    with pytest.raises(BackendError, match="Conda's program cannot be had") as caught:
        await backend.build(recipe, log)
    assert "conda_unreachable" == caught.value.code
    with pytest.raises(GiveUp) as refused:
        await docker_backend(conda_channel="").resolve(spec, log)
    assert "CondaOff" == refused.value.reason


async def test_another_base_or_script_makes_another_image(docker_backend, log):
    backend = docker_backend()
    specs = (
        SIX,
        SIX.model_copy(update={"base_image": "python:3.13-slim"}),
        SIX.model_copy(update={"post_build": "true"}),
        SIX.model_copy(update={"apt": ("tree",)}),
    )
    recipes = [await backend.resolve(spec, log) for spec in specs]
    assert len(specs) == len({recipe.digest for recipe in recipes})
    assert recipes[0].digest == (await backend.resolve(SIX, log)).digest


async def test_a_recipe_whose_base_is_gone_does_not_fit(docker_backend, engine, log, installation):
    backend = docker_backend()
    name = f"cassini/{installation[:8]}:base-of-the-test"
    engine.api.import_image_from_data(b"\0" * 10240, *name.split(":"))
    recipe = await backend.resolve(SIX, log)
    other = type(recipe)(recipe.lock, recipe.python, recipe.platform, engine.images.get(name).id)
    assert await backend.fits(other)
    engine.images.remove(name)
    assert not await backend.fits(other)


async def test_builders_that_share_no_folder_end_with_the_same_image(
    docker_backend, engine, log, installation, tmp_path
):
    backends = [docker_backend(), docker_backend()]
    backends[1]._work = tmp_path / "another-machine"
    recipe = await backends[0].resolve(SIX, log)

    first, second = await asyncio.gather(*(backend.build(recipe, log) for backend in backends))

    assert first == second
    assert first == await backends[0].verify(recipe.digest)
    assert [first.reference] == names_of(engine, installation)


async def test_an_image_of_this_name_that_is_not_ours_does_not_count(
    docker_backend, engine, installation
):
    digest = "a" * 64
    engine.images.get(BASE).tag(f"cassini/{installation[:8]}", digest)
    assert await docker_backend().verify(digest) is None


async def test_an_image_that_a_container_uses_is_removed_later(
    docker_backend, engine, log, installation
):
    backend = docker_backend()
    image = await built(backend, SIX, log)
    container = engine.containers.create(image.reference, labels={LABEL: installation})
    with pytest.raises(BackendError, match="still uses") as caught:
        await backend.remove(image.digest)
    assert "image_in_use" == caught.value.code
    assert image == await backend.verify(image.digest)

    container.remove()
    await backend.remove(image.digest)
    assert [] == names_of(engine, installation)


async def test_nothing_stays_of_the_classic_builders_stage_with_the_secrets(
    docker_backend, engine, log, installation
):
    await built(docker_backend(docker_builder="classic"), SIX, log)
    layers = engine.api.images(all=True, filters={"label": STAGE_LABEL})
    ours = [each for each in layers if each["Labels"][STAGE_LABEL].startswith(installation)]
    assert [] == ours
