"""Throw-away authorities and certificates, made with the openssl program.

Everything goes through ``openssl ca``, the one way to set both dates that works in every version.
"""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.programs import need

_CONFIG = """
[ca]
default_ca = made
[made]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = none
[anything]
commonName = optional
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:false
extendedKeyUsage = {usage}
subjectKeyIdentifier = hash
{names}
[req]
distinguished_name = none
prompt = no
[none]
"""


@dataclass(frozen=True)
class Made:
    """A certificate and its key, as files."""

    cert: str
    key: str

    @property
    def pin(self) -> str:
        """The SHA-256 of the certificate, as openssl prints it."""
        der = ssl.PEM_cert_to_DER_cert(Path(self.cert).read_text("ascii"))
        digits = hashlib.sha256(der).hexdigest().upper()
        return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


class Certificates:
    """A folder of certificates; each is made once."""

    def __init__(self, folder: Path) -> None:
        (self.openssl,) = need("openssl")
        self.folder = folder
        self._made: dict[Any, Made] = {}

    def authority(self, name: str = "an authority") -> Made:
        """An authority that signed itself."""
        return self._make(("authority", name), "authority", name, None, "", "", 1, 3)

    def leaf(
        self,
        common_name: str,
        *names: str,
        by: str | None = "an authority",
        usage: str = "serverAuth,clientAuth",
        since: float = -1,
        days: float = 3,
    ) -> Made:
        """A certificate for ``names`` ("DNS:...", "IP:..."), from the authority of the name ``by`` or, with
        None, signed by itself; valid from ``since`` days from now on, for so many ``days``."""
        key = ("leaf", common_name, names, by, usage, since, days)
        return self._make(key, "leaf", common_name, by, ",".join(names), usage, since, days)

    def _make(
        self,
        key: Any,
        section: str,
        common_name: str,
        by: str | None,
        names: str,
        usage: str,
        since: float,
        days: float,
    ) -> Made:
        if key in self._made:
            return self._made[key]
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        issuer = None if by is None or section == "authority" else self.authority(by)
        made = self._made[key] = Made(str(folder / "cert.pem"), str(folder / "key.pem"))
        (folder / "index.txt").write_text("")
        config = folder / "openssl.cnf"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                usage=usage or "serverAuth",
                names=f"subjectAltName = {names}" if names else "",
            )
        )
        subject = f"/CN={common_name}" if common_name else "/"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        request = str(folder / "request.pem")
        self.run(
            "req", "-new", *curve, "-config", config, "-subj", subject, "-keyout", made.key, "-out", request
        )
        signing: tuple[str, ...] = ("-selfsign", "-keyfile", made.key)
        if issuer is not None:
            signing = ("-cert", issuer.cert, "-keyfile", issuer.key)
        first = time.time() + min(since, -0.01 if section == "authority" else since) * 86400
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(each)) for each in (first, first + days * 86400)]
        self.run(
            "ca", "-batch", "-notext", "-config", config, "-extensions", section, *signing,
            "-startdate", dates[0], "-enddate", dates[1], "-subj", subject, "-in", request, "-out", made.cert,
        )  # fmt: skip
        return made

    def run(self, *arguments: Any) -> str:
        """Run openssl to its end; what it printed."""
        done = subprocess.run(
            [self.openssl, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of this test run."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
