# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's live migration of a paused guest over loopback, driven by QMP: what `make bench` compares with.

Both QEMUs have all their memory before the move, as the demo's ends have; the source's is a file that is
filled with random bytes once and mapped by each source in turn. Time is what QEMU itself counts.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

PROGRAM = "qemu-system-x86_64"
START_S = 120  # to come up, with all memory touched
MOVE_S = 600
# With a PSK, GnuTLS takes ChaCha20 if left alone, several times slower than AES-GCM, which it takes with the
# certificates that most set up. To compare with that would flatter us.
PRIORITY = "NORMAL:-CHACHA20-POLY1305"
UNLIMITED = 10**12  # bytes a second; 0 is refused or means a default, as the version pleases


class Failed(Exception):
    """QEMU did not do it; one line says why."""


class Qmp:
    """A QEMU's monitor. Events are skipped."""

    def __init__(self, path, process):
        end = time.monotonic() + START_S
        self.sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.sock.connect(path)
                break
            except OSError:
                if process.poll() is not None:
                    raise Failed((process.stderr.read().strip() or "it ended at once").splitlines()[-1])
                if time.monotonic() > end:
                    raise Failed("no QMP socket")
                time.sleep(0.02)
        self.sock.settimeout(START_S)
        self.file = self.sock.makefile("r")
        self.file.readline()  # the greeting
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.sock.sendall(json.dumps(message).encode() + b"\n")
        while True:
            line = self.file.readline()
            if not line:
                raise Failed(f"QEMU ended during {command}")
            answer = json.loads(line)
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


class Guests:
    """A folder with the source's memory and the TLS key; needs close()."""

    def __init__(self, memory_bytes):
        self.memory_bytes = memory_bytes
        # Where it is memory. A file system with a disk would be measured too.
        shm = "/dev/shm"
        room = shutil.disk_usage(shm).free if os.access(shm, os.W_OK) else 0
        if room < memory_bytes * 1.05:
            raise Failed(f"{shm} has no room for a guest's memory")
        self.dir = tempfile.mkdtemp(prefix="xl-fast-bench-", dir=shm)
        try:
            self.memory = os.path.join(self.dir, "memory")
            with open(self.memory, "wb") as f:
                for _ in range(memory_bytes >> 20):
                    f.write(os.urandom(1 << 20))
            with open(os.path.join(self.dir, "keys.psk"), "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write(f"qemu:{os.urandom(32).hex()}\n")
        except BaseException:
            self.close()
            raise

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    @contextlib.contextmanager
    def qemu(self, end, tls):
        """One end, stopped; its monitor."""
        path = os.path.join(self.dir, end)
        backend = f"memory-backend-file,mem-path={self.memory},share=on" if end == "source" else "memory-backend-ram"
        command = [PROGRAM, "-machine", "pc,memory-backend=m", "-accel", "kvm", "-accel", "tcg"]
        command += ["-m", f"{self.memory_bytes >> 20}M", "-object"]
        command += [f"{backend},id=m,size={self.memory_bytes},prealloc=on", "-S", "-nodefaults", "-display", "none"]
        command += ["-qmp", f"unix:{path},server=on,wait=off"]
        if tls:
            role = "client" if end == "source" else "server"
            command += ["-object", f"tls-creds-psk,id=tls0,dir={self.dir},endpoint={role},priority={PRIORITY}"]
        if end == "target":
            command += ["-incoming", "defer"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            yield Qmp(path, process)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def migrate(self, channels, tls):
        """One move; channels: 1 is the plain stream, more are multifd's. What QEMU says of it."""
        try:
            return self.move(channels, tls)
        except (OSError, ValueError, KeyError) as e:  # a monitor that went, hung or said something else
            raise Failed(f"{type(e).__name__}: {e}") from None

    def move(self, channels, tls):
        with self.qemu("target", tls) as target, self.qemu("source", tls) as source:
            for end in target, source:
                if channels > 1:
                    end("migrate-set-capabilities", capabilities=[{"capability": "multifd", "state": True}])
                    end("migrate-set-parameters", multifd_channels=channels)
                if tls:
                    end("migrate-set-parameters", tls_creds="tls0")
            source("migrate-set-parameters", max_bandwidth=UNLIMITED)
            uri = f"tcp:127.0.0.1:{free_port()}"
            target("migrate-incoming", uri=uri)
            source("migrate", uri=uri)
            info = wait(source)
            end = time.monotonic() + START_S
            while target("query-status")["status"] == "inmigrate":
                if time.monotonic() > end:
                    raise Failed("the target does not see the end of the move")
                time.sleep(0.01)
        seconds = info.get("total-time", 0) / 1e3
        if seconds <= 0:  # seen once in a long row of runs
            raise Failed(f"it says that the move took {info.get('total-time')} ms")
        # Not what went over the wire: pages of zeros, if there are any, flatter nobody here either.
        return {
            "total_s": seconds,
            "gbps": self.memory_bytes * 8 / seconds / 1e9,
            "transferred_bytes": info["ram"]["transferred"],
            "downtime_ms": info.get("downtime"),
            "setup_ms": info.get("setup-time"),
        }


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(source):
    end = time.monotonic() + MOVE_S
    while time.monotonic() < end:
        info = source("query-migrate")
        if info.get("status") == "completed":
            return info
        if info.get("status") in ("failed", "cancelled"):
            raise Failed(f"the migration {info['status']}: {info.get('error-desc', 'no reason given')}")
        time.sleep(0.05)
    raise Failed(f"not there after {MOVE_S} s")


def version():
    """One line, or None where there is no QEMU."""
    if not shutil.which(PROGRAM):
        return None
    return subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
