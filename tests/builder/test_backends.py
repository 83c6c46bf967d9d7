"""What every image backend does alike, with real tools and a tiny package."""

import asyncio

import pytest

from cassini.contracts.images import ImageSpec
from cassini.runtime.errors import BackendError, GiveUp
from services.builder.recipe import Recipe

SIX = ImageSpec(requirements="six==1.17.0\n")


@pytest.fixture
def backend(place):
    return place.backend()


async def test_an_image_holds_what_was_asked_for_and_is_named_by_its_digest(place, backend, log):
    recipe = await backend.resolve(SIX, log)
    image = await backend.build(recipe, log)
    assert recipe.digest == image.digest
    assert "1.17.0\n" == await place.run(image, "import six; print(six.__version__)")
    assert image == await backend.verify(image.digest)
    assert log.count_of("Installed 1 package") == 1


async def test_a_second_build_changes_nothing(backend, log):
    recipe = await backend.resolve(SIX, log)
    image = await backend.build(recipe, log)
    assert image == await backend.build(recipe, log)
    assert log.count_of("Installed") == 1


async def test_two_builds_of_one_digest_install_once(place, log):
    backends = [place.backend(), place.backend()]
    recipe = await backends[0].resolve(SIX, log)
    first, second = await asyncio.gather(*(backend.build(recipe, log) for backend in backends))
    assert first == second
    assert log.count_of("Installed") == 1
    assert log.count_of("being built already") == 1


async def test_a_removed_image_is_gone_and_removing_it_again_is_fine(backend, log):
    image = await backend.build(await backend.resolve(SIX, log), log)
    await backend.remove(image.digest)
    assert await backend.verify(image.digest) is None
    await backend.remove(image.digest)


@pytest.mark.parametrize(
    ("requirements", "reason", "word"),
    [
        ("cassini-has-no-such-package-anywhere", "PackageNotFound", "cassini-has-no-such"),
        ("six==99.99", "PackageNotFound", "six==99.99"),
        ("six==1.17.0\nsix==1.16.0", "RequirementsConflict", "six==1.16.0"),
        ("six==not!a!version", "InvalidRequirements", "six==not!a!version"),
        ("-r /etc/passwd", "InvalidRequirements", "option"),
    ],
)
async def test_what_can_never_work_is_given_up_with_the_reason(
    backend, log, requirements, reason, word
):
    with pytest.raises(GiveUp) as caught:
        await backend.resolve(ImageSpec(requirements=requirements), log)
    assert reason == caught.value.reason
    assert word in caught.value.message


async def test_a_package_that_is_not_the_locked_one_is_refused(backend, log):
    good = await backend.resolve(SIX, log)
    lock = "six==1.17.0 --hash=sha256:" + "0" * 64 + "\n"
    bad = Recipe(lock, good.python, good.platform, good.base)
    with pytest.raises(GiveUp) as caught:
        await backend.build(bad, log)
    assert "HashMismatch" == caught.value.reason
    assert await backend.verify(bad.digest) is None


async def test_an_unknown_built_in_image_is_given_up(backend, log):
    with pytest.raises(GiveUp, match="cassini-python") as caught:
        await backend.resolve(ImageSpec(builtin="no-such-image"), log)
    assert "UnknownImage" == caught.value.reason


async def test_the_built_in_image_has_the_committed_lock_without_a_registry(
    backend, log, monkeypatch
):
    monkeypatch.setenv("UV_OFFLINE", "1")
    recipe = await backend.resolve(ImageSpec(builtin="cassini-python"), log)
    assert "jupyterlab==" in recipe.lock


async def test_a_package_registry_that_is_away_is_tried_again_later(backend, log, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(BackendError) as caught:
        await backend.resolve(ImageSpec(requirements="sniffio==1.3.1"), log)
    assert "registry_unreachable" == caught.value.code


async def test_a_recipe_for_another_place_does_not_fit(backend, log):
    recipe = await backend.resolve(SIX, log)
    assert await backend.fits(recipe)
    other = Recipe(recipe.lock, "cpython-2.7", "sparc-solaris", recipe.base)
    assert not await backend.fits(other)


@pytest.mark.parametrize("digest", ["", "..", "0" * 63, "../" + "0" * 61])
async def test_only_a_digest_names_an_image(backend, digest):
    with pytest.raises(ValueError, match="digest"):
        await backend.remove(digest)
