"""Secret values that were planted, and the search for them where they must not be.

Each value is searched plain, URL-encoded, as JSON, in hexadecimal and in base64 at each of the
three places it can begin at.
"""

import base64
import json
import os
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote, quote_plus

GREP = ("grep", "--recursive", "--text", "--fixed-strings", "--files-with-matches")
GREP_ONLY = ("grep", "--text", "--fixed-strings", "--only-matching")


class Planted:
    """The values, and where they must not be."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.found: list[str] = []

    def add(self, name, value):
        assert len(value) > 16
        self.values[name] = value
        return value

    def patterns(self):
        """Return every form of every value -> its name."""
        return {
            form: name for name, value in self.values.items() for form in _forms(value.encode())
        }

    def search(self, where, content, *, but=()):
        """Note the values that a text holds."""
        for form, name in self.patterns().items():
            if form in content and name not in but:
                self.found.append(f"{name} in {where}")

    def search_files(self, folder, *, but=()):
        """Note the files that hold a value. grep takes the patterns as a file and is quick."""
        patterns = b"\n".join(self.patterns())
        listed = subprocess.run(
            [*GREP, *(f"--exclude-dir={name}" for name in but), "--file=-", "--", folder],
            input=patterns,
            capture_output=True,
            check=False,
        )
        # 2: a file went while it was read, or is a socket
        assert listed.returncode in (0, 1, 2), listed.stderr
        for path in listed.stdout.decode().splitlines():
            self.search(path, Path(path).read_bytes())

    def search_output(self, where, *words):
        """Note the values that a command prints, however much that is."""
        patterns = self.patterns()
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\n".join(patterns))
            file.flush()
            with subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as command:
                found = subprocess.run(
                    [*GREP_ONLY, f"--file={file.name}"],
                    stdin=command.stdout,
                    capture_output=True,
                    env={"LC_ALL": "C", "PATH": os.defpath},
                    check=False,
                )
            assert command.returncode == 0, f"{words} failed"
        assert found.returncode in (0, 1), found.stderr
        for form in set(found.stdout.splitlines()):
            self.found.append(f"{patterns[form]} in {where}")


def _forms(value):
    yield value
    yield quote(value).encode()
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    yield json.dumps(value.decode())[1:-1].encode()
    yield value.hex().encode()
    for shift in range(3):
        # What stands around a value changes the first and the last signs of its base64.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + value)
            yield text[4 if shift else 0 : len(text) // 4 * 4 - 4]
