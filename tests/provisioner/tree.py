"""A tree of directories to run a start-up script in, as a backend would."""

import subprocess
import sys
import sysconfig
from pathlib import Path

from services.provisioner.kinds.workspace import plan_workspace
from services.provisioner.startup import build_script
from tests.provisioner.wishes import WORKLOAD, make_spec

FAKE_PIP = """
import json, os, sys
print(json.dumps(sys.argv[1:]))
sys.exit(int(os.environ.get("PIP_EXIT", "0")))
"""


class Tree:
    """A home, an image and an overlay under a name full of traps."""

    def __init__(self, root: Path) -> None:
        self.root = root / 'it\'s a "tree" $HOME'
        self.home = self.root / "home"
        self.overlay = self.root / "overlay"
        self.image = self.root / "image"
        self.report = self.root / "report"
        self.runtime = self.root / "runtime"
        packages = self.image / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        (packages / "pip").mkdir(parents=True)
        (packages / "pip" / "__main__.py").write_text(FAKE_PIP)
        (packages / "in_the_image.py").write_text("")
        (self.image / "bin").mkdir()
        interpreter = Path(sys.executable).resolve()
        (self.image / "bin" / "python").symlink_to(interpreter)
        (self.image / "bin" / "python3").symlink_to("python")
        self.runtime.mkdir()
        (self.image / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\nprompt = x\n")
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "PORT": "1",
            "CASSINI_IMAGE": str(self.image),
            "CASSINI_OVERLAY": str(self.overlay),
            "CASSINI_REPORT": str(self.report),
            "XDG_RUNTIME_DIR": str(self.runtime),
        }

    def run(self, *, shell="/bin/sh", extra=None, **changes) -> subprocess.CompletedProcess[str]:
        spec = make_spec(**({"command": "pwd; exit 7"} | changes))
        script = build_script(WORKLOAD, spec, plan_workspace(spec))
        return subprocess.run(
            [shell, "-c", script],
            env=self.environment | (extra or {}),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def steps(self) -> list[str]:
        return [line.split(" ", 1)[1] for line in self.report.read_text().splitlines()]
