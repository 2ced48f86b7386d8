"""Servers that others wrote, run for a test."""

from __future__ import annotations

import subprocess

from tests.helpers.ports import free_port, listens
from tests.helpers.process import Scene, until
from tests.helpers.programs import need

__all__ = ["free_port", "ser2net", "sredird", "start"]


def start(scene: Scene, command: list[str], port: int) -> None:
    """Start a server; returns when it listens at ``port``, where nobody has called yet."""
    log = scene.folder / "server.log"
    with open(log, "wb") as out:
        process = scene.spawn(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    until(lambda: listens(port) or process.poll() is not None, f"{command[0]} listens")
    assert process.poll() is None, log.read_text()


def ser2net(scene: Scene, accepter: str, connector: str) -> int:
    """Start it between these two; returns where it listens."""
    (program,) = need("ser2net")
    port = free_port()
    config = scene.folder / "ser2net.yaml"
    config.write_text(
        f"connection: &port\n  accepter: {accepter},127.0.0.1,{port}\n  connector: {connector}\n"
    )
    start(scene, [program, "-n", "-u", "-c", str(config), "-P", str(scene.folder / "ser2net.pid")], port)
    return port


def sredird(scene: Scene, device: str) -> int:
    """Start it on a device; returns where it listens."""
    program, socat = need("sredird", "socat")
    port = free_port()
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,nodelay"
    start(scene, [socat, listen, f"EXEC:{program} 3 {device} {scene.folder / 'lock'}"], port)
    return port
