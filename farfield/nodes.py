"""What a machine has that decides the bytes of results, so that the nodes of a cluster can be compared."""

import hashlib
import importlib.metadata
import platform
import socket
from collections.abc import Mapping
from pathlib import Path

import farfield
from farfield.files import file_hash

Facts = dict[str, str]
# Whose versions decide bytes. Read from what is installed, not imported: that would take seconds.
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "safetensors",
    "pillow",
)
ROOT = Path(farfield.__file__).parents[1]
CODE = ("farfield", "stages", "commands")


def facts(probe: Path | None = None) -> Facts:
    """Name and value of what should be the same everywhere; `host` and `sees` may differ.

    probe: a file that is there if the storage is shared.
    """
    return {
        "host": socket.gethostname(),
        "sees": "yes" if probe is not None and probe.exists() else "no",
        "code": tree_hash(ROOT),
        "requirements.lock": _hash(ROOT / "requirements.lock"),
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: _version(name) for name in PACKAGES},
        "processor": processor(),
    }


def tree_hash(root: Path) -> str:
    """Of the code that runs there, whether or not it is committed."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in CODE for path in (root / folder).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _hash(path: Path) -> str:
    return file_hash(path)[:12] if path.exists() else "none"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Its kind, and the widest instructions that it lets programs use: others add in another order."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return f"{platform.machine()} {platform.processor()}".strip()
    lines = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())
    }
    kind = (
        lines.get("model name") or f"{lines.get('CPU implementer', '')} {lines.get('CPU part', '')}".strip()
    )
    flags = lines.get("flags", "").split()
    widest = next((flag for flag in ("avx512f", "avx2", "avx") if flag in flags), "")
    return " ".join(word for word in (kind or platform.machine(), widest) if word)


def differences(mine: Facts, nodes: Mapping[str, Facts], but: frozenset[str] = frozenset()) -> list[str]:
    """A line for each node and each fact that is not as `mine`, without those named in `but`."""
    apart = but | {"host", "sees"}
    return [
        f"{name}: {key} is {found.get(key, 'none')}, here {value}"
        for name, found in nodes.items()
        for key, value in mine.items()
        if key not in apart and found.get(key) != value
    ]
