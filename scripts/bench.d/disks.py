# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that is copied within this machine: `xl-fast bench disk` beside nbdcopy and qemu-img over NBD, for
`make bench`.

Two disks, each in a file: full of random bytes, and a fifth of it data in pieces of 4 MiB. All copy to a file that was
just made, over loopback or a memif, until it is on its medium. The server of the others is nbdkit, with a PSK where
there is TLS: GnuTLS takes AES-GCM (qemu.py says why). dd says what the medium reads and writes, past the page cache.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time

import qemu
from qemu import Failed

PIECE = 4 << 20
KINDS = {"random": 1, "sparse": 5}  # one in so many pieces is data
OURS = {"ours": (), "ours-lanes-2": ("--lanes", "2"), "ours-verify": ("--verify",)}
COPY_S = 900
GNUTLS = "[overrides]\ntls-disabled-cipher = CHACHA20-POLY1305\n"
PROGRAMS = ("nbdkit", "nbdcopy", "qemu-img")


def missing():
    """None, or why the others are skipped."""
    gone = [p for p in PROGRAMS if not shutil.which(p)]
    return f"no {' and no '.join(gone)} here: scripts/setup bench, as root" if gone else None


def run(command, **more):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COPY_S, **more)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Failed(f"{command[0]}: {e}") from None
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}")
    return done


class Disks:
    """A folder with both disks and the TLS key; needs close()."""

    def __init__(self, folder, disk_bytes):
        room = shutil.disk_usage(folder).free
        if room < 2.5 * disk_bytes:
            raise Failed(f"{folder} has no room for two disks of {disk_bytes >> 20} MiB")
        self.bytes = disk_bytes
        self.dir = tempfile.mkdtemp(prefix="disks-", dir=folder)
        self.copy = os.path.join(self.dir, "copy")
        self.environment = {**os.environ, "GNUTLS_SYSTEM_PRIORITY_FILE": os.path.join(self.dir, "gnutls.conf")}
        try:
            for kind, share in KINDS.items():
                with open(self.path(kind), "wb") as f:
                    for at in range(0, disk_bytes, PIECE):
                        if at // PIECE % share == 0:
                            f.seek(at)
                            f.write(os.urandom(min(PIECE, disk_bytes - at)))
                    f.truncate(disk_bytes)
                    f.flush()
                    os.fsync(f.fileno())
            with open(os.path.join(self.dir, "keys.psk"), "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write(f"bench:{os.urandom(32).hex()}\n")
            with open(os.path.join(self.dir, "gnutls.conf"), "w", encoding="utf-8") as f:
                f.write(GNUTLS)
        except BaseException:
            self.close()
            raise

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, kind):
        return os.path.join(self.dir, kind)

    def figures(self, seconds, **more):
        return {"total_s": seconds, "gbps": self.bytes * 8 / seconds / 1e9, **more}

    def cold(self, kind):
        """Nothing of it is in the page cache, and no copy is there."""
        if os.path.exists(self.copy):
            os.unlink(self.copy)
        fd = os.open(self.path(kind), os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)

    def ours(self, kind, bench):
        """bench: runs `xl-fast bench disk` with these words, and has its JSON."""
        self.cold(kind)
        j = bench(self.path(kind), self.copy)
        gib = self.bytes / (1 << 30)
        return self.figures(j["us"] / 1e6, cpu_s_per_gib=(j["source_cpu_us"] + j["target_cpu_us"]) / 1e6 / gib)

    def over_nbd(self, kind, client):
        """client: whose command copies, and makes durable what it has copied."""
        self.cold(kind)
        with open(self.copy, "wb") as f:
            f.truncate(self.bytes)
        port = qemu.free_port()
        tls = ["--tls=require", f"--tls-psk={self.dir}/keys.psk"] if client.tls else []
        with open(os.path.join(self.dir, "nbdkit.log"), "w+", encoding="utf-8") as log:
            server = subprocess.Popen(["nbdkit", "-f", *tls, "-i", "127.0.0.1", "-p", str(port), "file", self.copy],
                                      stdin=subprocess.DEVNULL, stderr=log, env=self.environment)
            try:
                client.wait(port)
                before, began = os.times(), time.monotonic()
                run(client.command(self, kind, port), env=self.environment)
                seconds, after = time.monotonic() - began, os.times()
            finally:
                server.terminate()
                _, _, usage = os.wait4(server.pid, 0)
                server.returncode = 0
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        cpu += usage.ru_utime + usage.ru_stime
        return self.figures(seconds, cpu_s_per_gib=cpu / (self.bytes / (1 << 30)))

    def medium(self, kind):
        """The slower of what it reads and what it writes."""
        self.cold(kind)
        rates = []
        for command in (["dd", f"if={self.path(kind)}", "of=/dev/null", "bs=1M", "iflag=direct"],
                        ["dd", "if=/dev/zero", f"of={self.copy}", "bs=1M", f"count={self.bytes >> 20}", "oflag=direct", "conv=fsync"]):
            began = time.monotonic()
            run(command)
            rates.append(time.monotonic() - began)
        return self.figures(max(rates), read_s=rates[0], write_s=rates[1])


class Client:
    def __init__(self, tls):
        self.tls = tls

    @staticmethod
    def wait(port):
        end = time.monotonic() + qemu.START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise Failed("nbdkit does not come up") from None
                time.sleep(0.02)


class Nbdcopy(Client):
    def command(self, disks, kind, port):
        uri = f"nbds://bench@127.0.0.1:{port}/?tls-psk-file={disks.dir}/keys.psk" if self.tls else f"nbd://127.0.0.1:{port}/"
        return ["nbdcopy", "--flush", "--destination-is-zero", disks.path(kind), uri]


class QemuImg(Client):
    def command(self, disks, kind, port):
        target = f"driver=nbd,host=127.0.0.1,port={port}"
        creds = []
        if self.tls:
            creds = ["--object", f"tls-creds-psk,id=tls0,dir={disks.dir},endpoint=client,username=bench,priority={qemu.PRIORITY}"]
            target += ",tls-creds=tls0"
        return ["qemu-img", "convert", *creds, "-n", "--target-is-zero", "-W", "-f", "raw", "--target-image-opts",
                disks.path(kind), target]


PEERS = {
    "nbdcopy-tls": Nbdcopy(True),
    "nbdcopy-plain": Nbdcopy(False),
    "qemu-img-tls": QemuImg(True),
}
NAMES = [f"disk-{kind}-{who}" for kind in KINDS for who in ("medium", *OURS, *PEERS)]


def contenders(disks, bench):
    """Name and function of all, and why one is skipped, or None."""
    for kind in KINDS:
        yield f"disk-{kind}-medium", lambda k=kind: disks.medium(k), None
        for name, options in OURS.items():
            yield f"disk-{kind}-{name}", lambda k=kind, o=options: disks.ours(k, lambda a, b: bench(*o, a, b)), None
        for name, client in PEERS.items():
            yield f"disk-{kind}-{name}", lambda k=kind, c=client: disks.over_nbd(k, c), missing()
