"""images, image_tags: what can be looked at."""

from tests.clients.walks.ground import Ground, only


def images(ground: Ground) -> None:
    api = ground.api.images
    image = only(api.list(name="cassini-python", is_base=True, access="account")["images"])
    assert ("cassini-python", "CPU") == (image["name"], image["hardware_type"])
    assert "jupyterlab" in image["supports"]
    assert image == api.get(image["id"])
    assert [] == api.list(hardware_type="NVIDIA")["images"]


def image_tags(ground: Ground) -> None:
    api = ground.api.image_tags
    image = only(ground.api.images.list()["images"])
    tag = only(api.list(image["id"], status="built", archived=False)["image_tags"])
    assert (image, "built") == (tag["image"], tag["status"])
    assert tag == api.get(image["id"], tag["id"])
    assert [] == api.list(image["id"], is_external=True)["image_tags"]

    line = only(api.get_logs(image["id"], tag["id"], page_size=1)["logs"])
    assert line["content"]
