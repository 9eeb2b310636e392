"""The files of results that locks name: from the cache or, what that lacks, from the remote."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from commands.diff.revision import Revision
from farfield.errors import InputError, first_few

if TYPE_CHECKING:
    from dvc.repo import Repo

SHOWN = 6


@dataclass(eq=False)
class Objects:
    """Files that locks name, in this cache; `bring` fetches what it lacks from the default remote."""

    repo: "Repo"
    _trees: dict[str, dict[str, str]] = field(default_factory=dict)

    def path(self, oid: str) -> Path:
        return Path(self.repo.cache.local.oid_to_path(oid))

    def bring(self, wanted: Sequence[tuple[str, str]]) -> None:
        """wanted: (MD5, what it is in words). InputError names those that are neither here nor in the remote."""
        missing = {oid: name for oid, name in wanted if not self.path(oid).exists()}
        if not missing:
            return
        problem = self._fetch(list(missing))
        still = sorted({name for oid, name in missing.items() if not self.path(oid).exists()})
        if still:
            raise InputError(
                f"results are not in the cache{problem}: {first_few(still, shown=SHOWN)}. Who has them runs `dvc "
                f"push` on that commit; `farfield doctor --remote` says what a remote lacks."
            )

    def _fetch(self, oids: list[str]) -> str:
        """Why no more came, in words."""
        from dvc.config import ConfigError
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.transfer import transfer

        from commands.doctor.remote import explained

        try:
            remote = self.repo.cloud.get_remote_odb(None, "diff", hash_name="md5")
        except ConfigError:
            return " and no remote is set, as `dvc remote add -d` does"
        try:
            # Not `DataCloud.pull`, which asks for all files of a folder where one of them is read.
            transfer(remote, self.repo.cache.local, {HashInfo("md5", oid) for oid in oids})
        except Exception as error:  # of whichever client it is
            return f", and the remote cannot be reached ({explained(error)})"
        return " nor in the remote"

    def files(self, oid: str) -> dict[str, str]:
        """The MD5s of the files of a folder, by path in it; its own object has been brought."""
        if oid not in self._trees:
            entries = json.loads(self.path(oid).read_bytes())
            self._trees[oid] = {entry["relpath"]: entry["md5"] for entry in entries}
        return self._trees[oid]

    def trees(self, revisions: Iterable[Revision], paths: Iterable[str]) -> None:
        """Bring the listings of folders."""
        self.bring(
            [
                (revision.outs[path], f"{path} of {revision}")
                for path in paths
                for revision in revisions
                if revision.outs.get(path, "").endswith(".dir")
            ]
        )
