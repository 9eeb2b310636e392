"""A small repository with DVC, whose results are made up: locks and objects are written by hand, nothing runs."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

FEWSHOT = "pipelines/fewshot"
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """stages: by folder and name, as lock files have them; written by `commit`."""

    path: Path
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=lambda: {"seeds": {"compare": 6}})
    claims: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.path / ".dvc").mkdir(parents=True)
        (self.path / ".dvc/config").write_text("[core]\n    analytics = false\n")
        (self.path / ".dvc/.gitignore").write_text("/cache\n/tmp\n/config.local\n")
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *IDENTITY, *words],
            cwd=self.path,
            check=True,
            capture_output=True,
            text=True,
            env=os.environ,
        )
        return done.stdout

    def stage(
        self,
        name: str,
        out: str,
        files: bytes | dict[str, bytes],
        deps: dict[str, bytes] | None = None,
        **params: Any,
    ) -> None:
        """A stage `folder/name` that has made `out`: a file of these bytes, or a folder of files."""
        oid = self.object(files) if isinstance(files, bytes) else self.folder(files)
        self.stages[name] = {
            "cmd": f"python -m {name}",
            "deps": [
                {"path": path, "hash": "md5", "md5": content.decode() if len(content) > 30 else md5(content)}
                for path, content in (deps or {}).items()
            ],
            "params": {"params/all.json": params},
            "outs": [{"path": out, "hash": "md5", "md5": oid}],
        }
        for key, value in params.items():
            tree = self.params
            *sections, last = key.split(".")
            for section in sections:
                tree = tree.setdefault(section, {})
            tree[last] = value

    def oid(self, out: str) -> bytes:
        """Of an output, as a dependency of another stage."""
        [found] = [one["outs"][0]["md5"] for one in self.stages.values() if one["outs"][0]["path"] == out]
        return found.encode()

    def object(self, data: bytes) -> str:
        name = md5(data)
        self._store(name, data)
        return name

    def folder(self, files: dict[str, bytes]) -> str:
        entries = [{"md5": self.object(data), "relpath": path} for path, data in sorted(files.items())]
        listing = json.dumps(entries, sort_keys=True).encode()
        name = f"{md5(listing)}.dir"
        self._store(name, listing)
        return name

    def _store(self, name: str, data: bytes) -> None:
        place = self.path / ".dvc/cache/files/md5" / name[:2] / name[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def rows(self, *names: str, table: pd.DataFrame, **params: Any) -> None:
        """A few-shot row a name, with its own part of `table`, as `transfer` leaves it."""
        for name in names:
            self.stage(
                f"{FEWSHOT}/{name}",
                f"{FEWSHOT}/results/{name}.parquet",
                parquet(table[table["method"] == name]),
                {
                    "stages/transfer.py": b"code",
                    "data/episodes/leaves.npz": self.oid("data/episodes/leaves.npz"),
                },
                **params,
            )

    def commit(self, message: str = "results") -> None:
        for path in self.path.rglob("dvc.*"):
            path.unlink()
        folders: dict[str, dict[str, Any]] = {}
        for name, stage in self.stages.items():
            folder, _, own = name.rpartition("/")
            folders.setdefault(folder, {})[own] = stage
        for folder, stages in folders.items():
            place = self.path / folder
            place.mkdir(parents=True, exist_ok=True)
            up = "/".join([".."] * len(Path(folder).parts)) or "."
            plan = {
                name: {
                    "cmd": one["cmd"],
                    "wdir": up,
                    "deps": [dep["path"] for dep in one["deps"]],
                    "params": [{path: list(values)} for path, values in one["params"].items()],
                    "outs": [out["path"] for out in one["outs"]],
                }
                for name, one in stages.items()
            }
            (place / "dvc.yaml").write_text(yaml.safe_dump({"stages": plan}))
            (place / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        if "" not in folders:
            (self.path / "dvc.yaml").write_text("metrics: [metrics/claims.json]\n")
        for path, tree in (("params/all.json", self.params), ("metrics/claims.json", self.claims)):
            (self.path / path).parent.mkdir(exist_ok=True)
            (self.path / path).write_text(json.dumps(tree))
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def cloned(self, path: Path) -> Path:
        """A fresh clone, whose cache is empty."""
        self.git("clone", "-q", str(self.path), str(path))
        return path

    def push(self, remote: Path) -> None:
        """What `dvc push` leaves in a folder."""
        shutil.copytree(self.path / ".dvc/cache/files", remote / "files", dirs_exist_ok=True)


def parquet(table: pd.DataFrame) -> bytes:
    data: bytes = table.reset_index(drop=True).to_parquet(index=False)
    return data
