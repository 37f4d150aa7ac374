"""Container images made on the spot: without a container engine, and without a base image."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

from support.engine import BINARY, RUNTIMES, command_environment
from support.functions import RUNTIME

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")

# Of the standard library, what no function of these tests needs.
LEFT_OUT = {
    *("__pycache__", "site-packages", "dist-packages", "test", "tests", "distutils", "ensurepip"),
    *("idlelib", "lib2to3", "pydoc_data", "sqlite3", "tkinter", "turtledemo", "unittest", "wsgiref"),
}
NATIVE_LEFT_OUT = (
    *("_codecs_", "_curses", "_dbm", "_elementtree", "_gdbm", "_hashlib", "_sqlite3", "_ssl"),
    *("_test", "_tkinter", "_xx", "nis", "pyexpat", "readline", "xx"),
)


def digest(data):
    """As documents write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layer:
    """A layer in the making: files are text or bytes, links are given by `link`."""

    def __init__(self, files=(), compressed=True):
        self.compressed = compressed
        self.buffer = io.BytesIO()
        self.archive = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)
        for name, content in dict(files).items():
            self.file(name, content)

    def file(self, name, content, mode=None):
        data = content.encode() if isinstance(content, str) else content
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        entry.mode = mode or (0o755 if data.startswith((b"#!", b"\x7fELF")) else 0o644)
        self.archive.addfile(entry, io.BytesIO(data))
        return self

    def entry(self, name, kind, **more):
        """An entry of any kind, however odd."""
        entry = tarfile.TarInfo(name)
        entry.type = kind
        entry.mode = 0o755
        for member, value in more.items():
            setattr(entry, member, value)
        self.archive.addfile(entry)
        return self

    def link(self, name, target):
        return self.entry(name, tarfile.SYMTYPE, linkname=target)

    def copy(self, path, name=None):
        """A file of this machine's, at the same place; a program without what debuggers need."""
        data = Path(path).resolve().read_bytes()
        if data.startswith(b"\x7fELF") and len(data) > 1 << 16 and shutil.which("strip"):
            with tempfile.NamedTemporaryFile() as stripped:
                subprocess.run(["strip", "--strip-debug", "-o", stripped.name, path], check=True)
                data = Path(stripped.name).read_bytes()
        return self.file(name or str(path).lstrip("/"), data)

    @functools.cached_property
    def content(self):
        self.archive.close()
        return self.buffer.getvalue()

    @functools.cached_property
    def stored(self):
        return gzip.compress(self.content, 1, mtime=0) if self.compressed else self.content

    @property
    def described(self):
        """As a manifest points to it."""
        kind = f"{LAYER}+gzip" if self.compressed else LAYER
        return {"mediaType": kind, "digest": digest(self.stored), "size": len(self.stored)}


class Image:
    """An image of one platform."""

    def __init__(self, layers, architecture=ARCHITECTURE, **config):
        self.layers = layers
        self.config = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [digest(it.content) for it in layers]},
            }
        ).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest(self.config), "size": len(self.config)},
                "layers": [layer.described for layer in layers],
            }
        ).encode()
        self.digest = digest(self.manifest)

    @property
    def blobs(self):
        """Everything by its digest."""
        stored = [layer.stored for layer in self.layers]
        return {digest(data): data for data in [self.config, self.manifest, *stored]}

    @property
    def _files(self):
        """What the OCI's layout consists of."""
        entry = {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.manifest)}
        index = {"schemaVersion": 2, "manifests": [entry]}
        yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'
        yield "index.json", json.dumps(index).encode()
        for name, data in self.blobs.items():
            yield f"blobs/{name.replace(':', '/')}", data

    def archive(self):
        """The image as an archive of the OCI's layout."""
        return Layer(self._files).content

    def layout(self, folder):
        """Writes the image as a folder of that layout."""
        for name, data in self._files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)

    def saved(self, tag="echo:latest"):
        """The image as `docker save` has always written it."""
        archive = Layer({"config.json": self.config})
        names = [f"{number}/layer.tar" for number in range(len(self.layers))]
        for name, layer in zip(names, self.layers):
            archive.file(name, layer.content)
        index = [{"Config": "config.json", "RepoTags": [tag], "Layers": names}]
        return archive.file("manifest.json", json.dumps(index)).content


def _libraries(programs):
    """What the dynamic linker loads for some programs, the linker itself included."""
    found = set()
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        found.update(re.findall(r"(/\S+) \(0x", listed))
    return sorted(found)


@functools.cache
def program_layer(program):
    """A program of this machine as `/main`, with the libraries that it needs."""
    layer = Layer().copy(program, "main")
    for library in _libraries([program]):
        layer.copy(library)
    return layer


@functools.cache
def python_layers():
    """The interpreter of this machine with its library, and AWS's client as pip installs it."""
    runtime = json.loads((RUNTIMES / RUNTIME / "runtime.json").read_text())
    interpreter = Path(runtime["interpreter"])
    ask = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    asked = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=True)
    library = Path(asked.stdout.strip())
    # Uncompressed: what is inflated costs time in every test.
    base = Layer(compressed=False).copy(interpreter).link("usr/bin/python3", str(interpreter))
    files = [
        file
        for file in sorted(library.rglob("*"))
        if file.is_file() and not LEFT_OUT & set(file.relative_to(library).parts)
        and not file.name.endswith(".a")
        and not file.name.startswith(NATIVE_LEFT_OUT)
        and "config-" not in str(file)
    ]
    for file in files:
        base.copy(file)
    site = RUNTIMES / RUNTIME / "site"
    shared = [file for file in files if file.suffix == ".so"]
    for needed in _libraries([interpreter, *shared, *site.glob("*.so")]):
        base.copy(needed)
    client = Layer()
    for pattern in ("awslambdaric/**/*.py", "simplejson/**/*", "*.so", "snapshot_restore_py.py"):
        for file in sorted(site.glob(pattern)):
            if file.is_file() and "__pycache__" not in file.parts:
                client.copy(file, f"usr/lib/client/{file.relative_to(site)}")
    return [base, client]


def python(source, *layers, **config):
    """A function in Python, as a Dockerfile would make it on a base of one's own."""
    return Image(
        [*python_layers(), Layer({"app/main.py": source}), *layers],
        **{
            "Entrypoint": ["python3", "-m", "awslambdaric"],
            "Cmd": ["main.handler"],
            "WorkingDir": "/app",
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONPATH=/usr/lib/client", "FROM_IMAGE=1"],
            "User": "nobody",
            **config,
        },
    )


def command(engine, *arguments, stdin=None, code=0):
    """`lambdalab image …` on an engine; what it printed, parsed."""
    done = subprocess.run(
        [BINARY, "image", *map(str, arguments), "--output", "json"],
        env=engine.environment(),
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (arguments, done)
    return json.loads(done.stdout) if done.stdout else done.stderr.decode()


def run(engine, *arguments, home, stdin=b"", **environment):
    """`lambdalab image …` as somebody runs it who has another data folder, or names a target."""
    return subprocess.run(
        [BINARY, "image", *map(str, arguments)],
        env=command_environment(home, **environment),
        cwd=engine.data_dir,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


def imported(engine, image, name):
    """Imports an image and returns its URI."""
    (entry,) = command(engine, "import", "-", "--name", name, stdin=image.archive())
    return entry["image_uri"]


class Registry:
    """A registry on a free port, as much of it as pulling takes. Use it as a context."""

    def __init__(self, tags):
        self.manifests, self.blobs = {}, {}
        for tag, image in tags.items():
            self.manifests[tag] = self.manifests[image.digest] = image
            self.blobs.update(image.blobs)
        shelf = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                kind, _, name = self.path.rpartition("/")
                if self.path == "/v2/":
                    self.answer(b"{}")
                elif kind.endswith("/manifests") and name in shelf.manifests:
                    image = shelf.manifests[name]
                    self.answer(image.manifest, MANIFEST, image.digest)
                elif kind.endswith("/blobs") and name in shelf.blobs:
                    self.answer(shelf.blobs[name])
                else:
                    self.answer(b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}', status=404)

            def answer(self, data, kind="application/json", named=None, status=200):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                if named:
                    self.send_header("Docker-Content-Digest", named)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                """Tests say what goes wrong."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
