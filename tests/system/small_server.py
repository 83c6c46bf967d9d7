"""A workspace that runs a server of a few lines in the place of JupyterLab, in any image.

Its configuration files hold a package ``jupyterlab`` that comes first on Python's path. It takes
the same arguments and answers everybody; each start adds its pod's name to ``starts`` in the home
and prints a line.
"""

from typing import Any

_SERVER = """
import http.server, os, sys

options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
with open(os.path.expanduser("~/starts"), "a") as starts:
    starts.write("started\\n")
print("hello from", os.environ["SATURN_RESOURCE_ID"], flush=True)


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


address = (options["--ServerApp.ip"], int(options["--ServerApp.port"]))
http.server.ThreadingHTTPServer(address, Answer).serve_forever()
"""


def small_server(**environment: str) -> dict[str, Any]:
    """Return the fields of such a workspace."""
    return {
        "environment_variables": {"PYTHONPATH": "/home/jovyan/small", **environment},
        "config_files": {
            f"small/jupyterlab/{name}.py": {"content": content, "mode": "0644"}
            for name, content in (("__init__", "# a package\n"), ("__main__", _SERVER))
        },
    }
