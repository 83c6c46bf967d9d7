"""What a build is given to reach packages is nowhere in its image."""

import base64
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cassini.contracts.images import ImageSpec
from tests.builder.conftest import run_in

pytestmark = pytest.mark.docker

USER, PASSWORD = "planted-user", "planted-password-4711"
PROXY = "planted-proxy-4712"
CERTIFICATE = "planted-certificate-4713"
WHEEL = "cassini_tiny-1.0-py3-none-any.whl"


def tiny_wheel():
    """Return the bytes of a wheel with one module."""
    files = {
        "cassini_tiny.py": "answer = 42\n",
        "cassini_tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: cassini-tiny\n"
        "Version: 1.0\n",
        "cassini_tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in {**files, "cassini_tiny-1.0.dist-info/RECORD": record}.items():
            archive.writestr(name, content)
    return data.getvalue()


@pytest.fixture
def private_index():
    """An index that answers only who knows the password; yields its address."""
    wheel = tiny_wheel()
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    link = f'<a href="/{WHEEL}#sha256={hashlib.sha256(wheel).hexdigest()}">{WHEEL}</a>'

    class Index(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = wheel if self.path == f"/{WHEEL}" else link.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://{USER}:{PASSWORD}@127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
@pytest.mark.blocks_loop(reason="the archive of an image is read whole")
async def test_no_credential_of_a_build_is_in_its_image(
    docker_backend, engine, log, private_index, tmp_path, monkeypatch, builder
):
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PROXY}@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    index, certificates = tmp_path / "index", tmp_path / "ca.pem"
    index.write_text(f"{private_index}\n")
    certificates.write_text(f"# {CERTIFICATE}\n")
    backend = docker_backend(docker_builder=builder, package_index_file=index, ca_file=certificates)

    spec = ImageSpec(requirements="cassini-tiny==1.0", post_build="env")
    recipe = await backend.resolve(spec, log)
    image = await backend.build(recipe, log)

    assert "42\n" == await run_in(
        engine, image, ["python", "-c", "import cassini_tiny as tiny; print(tiny.answer)"]
    )
    planted = (PASSWORD, PROXY, CERTIFICATE, private_index)
    kept = engine.images.get(image.reference)
    texts = {"history": str(kept.history()), "configuration": str(kept.attrs), "lock": recipe.lock}
    # The script sees the proxy, and prints it here: the log hides passwords in addresses.
    texts["log"] = "\n".join(log)
    found = [(where, word) for where, text in texts.items() for word in planted if word in text]
    assert [] == found
    assert {} == await scan(kept, planted)


async def scan(image, words):
    """Return which words are in the image's layers, with the offset of the first."""
    found, tail, offset = {}, b"", 0
    for chunk in image.save(chunk_size=8 * 1024 * 1024):
        data = tail + chunk
        for word in words:
            if word.encode() in data and word not in found:
                found[word] = offset
        tail, offset = data[-200:], offset + len(chunk)
    assert offset > 1_000_000, "the archive of the image is empty"
    return found
