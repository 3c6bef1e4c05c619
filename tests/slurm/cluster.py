"""A real Slurm on this machine for tests: three nodes with made-up GPUs on loopback, with or without accounting.

By hand, as root: `python tests/slurm/cluster.py FOLDER [--accounting] -- COMMAND` runs a command beside such a cluster.
"""

import argparse
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

PACKAGES = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "munged": "munge",
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server",
}
"""Each program that runs here, and the Debian package that has it."""
NODES = ("n1", "n2", "n3")
GPUS = {"n2": 2, "n3": 2}
"""Nodes with GPUs: character devices that lead nowhere, so that Slurm has something to give."""
ACCOUNTS = ("guests", "myelin")
"""The first one is the user's default."""
CLUSTER = "loopback"
ASKED = bool(os.environ.get("MYELOSYNTH_TEST_SLURM"))
"""Set by `make test-slurm`: packages may be installed, and a cluster that cannot run is a failure, not a skip."""
SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def obstacle() -> str:
    """Why no cluster can run here, in one line; empty where it can.

    Where it is asked for (`make test-slurm`) missing packages are installed with apt-get.
    """
    if os.geteuid() != 0:
        return "the daemons of Slurm need root, and this is user " + str(os.geteuid())
    missing = {name: package for name, package in PACKAGES.items() if not shutil.which(name, path=SEARCHED)}
    told = ""
    if missing and ASKED and shutil.which("apt-get"):
        # Packages start their daemons; these are not wanted.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = ["apt-get", "install", "--quiet=2", "--no-install-recommends", *sorted(set(missing.values()))]
        for command in (["apt-get", "update", "--quiet=2"], install):
            done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            told = f" ({done.stdout.strip().splitlines()[-1]})" if done.returncode and done.stdout.strip() else told
        missing = {name: package for name, package in missing.items() if not shutil.which(name, path=SEARCHED)}
    if missing:
        return f"no {', '.join(missing)}: apt-get install {' '.join(sorted(set(missing.values())))}{told}"
    return ""


def free_ports(number: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """Munge, slurmctld and three slurmd in one folder; `accounting` adds MariaDB and slurmdbd. A context manager."""

    def __init__(self, folder: Path, accounting: bool = False) -> None:
        self.folder, self.accounting = folder, accounting
        self.conf = folder / "slurm.conf"
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_", "SRUN_"))
            },
            "SLURM_CONF": str(self.conf),
            # The executor takes SLURM_* away from a job before it starts srun there.
            "PATH": f"{folder / 'bin'}:{SEARCHED}",
        }
        self._daemons: list[tuple[str, subprocess.Popen]] = []

    def __enter__(self) -> "Cluster":
        try:
            self._write()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, *command: str) -> str:
        """Standard output of a command that finds this cluster."""
        done = subprocess.run(command, env=self.environment, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """Every job and array task that the controller remembers, as the fields of scontrol."""
        listed = self.run("scontrol", "--oneliner", "show", "job").splitlines()
        return [
            dict(pair.partition("=")[::2] for pair in line.split() if "=" in pair)
            for line in listed
            if "JobId=" in line
        ]

    def stop(self) -> None:
        """Cancel what still runs, then end the daemons by their own process ids, the last one first."""
        if any(name == "slurmctld" and daemon.poll() is None for name, daemon in self._daemons):
            self._cancel()
        for _, daemon in reversed(self._daemons):
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                try:
                    daemon.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        self._daemons.clear()

    def _cancel(self, seconds: float = 30) -> None:
        """Without jobs no process outlives the nodes."""
        end = time.monotonic() + seconds
        try:
            self.run("scancel", "--user", "root")
            while self.run("squeue", "--noheader") and time.monotonic() < end:
                time.sleep(0.2)
        except RuntimeError:
            # A controller that does not answer has no jobs to lose.
            pass

    def _write(self) -> None:
        names = ("bin", "log", "state", "munge", "database", *(f"spool-{node}" for node in NODES))
        for name in names:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shim = self.folder / "bin" / "srun"
        shim.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.conf}\nexport SLURM_CONF\nexec {shutil.which("srun", path=SEARCHED)} "$@"\n'
        )
        shim.chmod(0o755)
        key = self.folder / "munge" / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        gres = []
        for node, number in GPUS.items():
            for i in range(number):
                device = self.folder / f"gpu-{node}-{i}"
                if not device.exists():
                    # As /dev/null: a place for a name.
                    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
                gres.append(f"NodeName={node} Name=gpu File={device}")
        (self.folder / "gres.conf").write_text("\n".join([*gres, ""]))
        self.controller, self.database, self.keeper, *ports = free_ports(3 + len(NODES))
        host = socket.gethostname().split(".")[0]
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=64000 State=UNKNOWN"
            + (f" Gres=gpu:{GPUS[node]}" if node in GPUS else "")
            for node, port in zip(NODES, ports, strict=True)
        ]
        lines = [
            f"ClusterName={CLUSTER}",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={self.controller}",
            "SlurmUser=root",
            "SlurmdUser=root",
            f"AuthInfo=socket={self._munge_socket}",
            f"StateSaveLocation={self.folder / 'state'}",
            f"SlurmdSpoolDir={self.folder}/spool-%n",
            f"SlurmctldPidFile={self.folder}/slurmctld.pid",
            f"SlurmdPidFile={self.folder}/slurmd-%n.pid",
            f"SlurmctldLogFile={self.folder}/log/slurmctld.log",
            f"SlurmdLogFile={self.folder}/log/slurmd-%n.log",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core_Memory",
            # The nodes say more cores and memory than the machine may have.
            "SlurmdParameters=config_overrides",
            "GresTypes=gpu",
            # A job over its memory is killed by what is measured every second; there are no cgroups here.
            "JobAcctGatherType=jobacct_gather/linux",
            "JobAcctGatherFrequency=task=1",
            "JobAcctGatherParams=OverMemoryKill",
            # squeue tells ended jobs as long as this.
            "MinJobAge=3600",
            "SchedulerParameters=sched_interval=2,bf_interval=2",
            "ReturnToService=2",
            "KillWait=2",
            "SlurmdTimeout=600",
            "MailProg=/bin/true",
            *nodes,
            "PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP",
            f"PartitionName=gpu Nodes={','.join(GPUS)} MaxTime=INFINITE State=UP",
        ]
        if self.accounting:
            lines += [
                "AccountingStorageType=accounting_storage/slurmdbd",
                "AccountingStorageHost=127.0.0.1",
                f"AccountingStoragePort={self.keeper}",
                # To slurmdbd AuthInfo does not count.
                f"AccountingStoragePass={self._munge_socket}",
                # A job of an unknown account is refused.
                "AccountingStorageEnforce=associations",
                "AccountingStorageTRES=gres/gpu",
            ]
            settings = self.folder / "slurmdbd.conf"
            settings.write_text(
                f"AuthType=auth/munge\nAuthInfo=socket={self._munge_socket}\nDbdHost={host}\nDbdAddr=127.0.0.1\nDbdPort={self.keeper}\n"
                f"SlurmUser=root\nLogFile={self.folder}/log/slurmdbd.log\nPidFile={self.folder}/slurmdbd.pid\n"
                f"StorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\nStoragePort={self.database}\n"
                "StorageUser=slurm\nStoragePass=loopback\nStorageLoc=slurm_acct_db\n"
            )
            settings.chmod(0o600)
        self.conf.write_text("\n".join([*lines, ""]))

    @property
    def _munge_socket(self) -> Path:
        return self.folder / "munge" / "socket"

    def _start(self) -> None:
        munge = self.folder / "munge"
        named = {"socket": "socket", "key-file": "munge.key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={munge / name}" for option, name in named.items()]
        self._daemon("munged", "--foreground", "--force", *options)
        self._until("munge", self._munge_socket.exists)
        if self.accounting:
            self._start_accounting()
        self._daemon("slurmctld", "-D", "-i")
        self._until("slurmctld", lambda: self.run("scontrol", "ping"))
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        self._until("the nodes", lambda: set(self.run("sinfo", "-h", "-N", "-o", "%t").split()) == {"idle"})

    def _start_accounting(self) -> None:
        folder = self.folder / "database"
        data, plug = folder / "data", folder / "socket"
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"]
        self.run(*install, "--auth-root-authentication-method=normal")
        options = [f"--datadir={data}", f"--socket={plug}", f"--port={self.database}", f"--pid-file={folder / 'pid'}"]
        small = [
            "--bind-address=127.0.0.1",
            "--user=root",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        self._daemon("mariadbd", "--no-defaults", *options, *small)
        client = ["mariadb", "--no-defaults", f"--socket={plug}", "--user=root"]
        self._until("mariadbd", lambda: self.run(*client, "-e", "SELECT 1"))
        grants = (
            "CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'loopback'; GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1'"
        )
        self.run(*client, "-e", grants)
        self._daemon("slurmdbd", "-D")
        self._until("slurmdbd", lambda: self.run("sacctmgr", "-n", "list", "cluster"))
        for words in (
            f"add cluster {CLUSTER}",
            f"add account {','.join(ACCOUNTS)} cluster={CLUSTER}",
            f"add user root account={','.join(ACCOUNTS)} defaultaccount={ACCOUNTS[0]} cluster={CLUSTER}",
        ):
            self.run("sacctmgr", "-i", *words.split())

    def _daemon(self, name: str, *options: str) -> None:
        program = shutil.which(name, path=SEARCHED)
        if program is None:
            raise RuntimeError(f"no {name}: apt-get install {PACKAGES[name]}")
        with (self.folder / "log" / f"{name}.out").open("a") as out:
            # A session of its own: the interrupt that is meant for Snakemake does not reach the cluster. Where these
            # tests are killed the daemons go with them.
            command = ["setpriv", "--pdeathsig", "TERM", program, *options]
            daemon = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out, start_new_session=True)
        self._daemons.append((name, daemon))

    def _until(self, what: str, ready, seconds: float = 60) -> None:
        end, told = time.monotonic() + seconds, "no answer"
        while time.monotonic() < end:
            fallen = [name for name, daemon in self._daemons if daemon.poll() is not None]
            if fallen:
                break
            try:
                if ready() is not False:
                    return
            except RuntimeError as fault:
                told = str(fault)
            time.sleep(0.2)
        logs = "\n".join(
            f"== {path.name}\n" + path.read_text(errors="replace")[-1500:]
            for path in sorted((self.folder / "log").iterdir())
        )
        raise RuntimeError(f"{what} did not come up within {seconds:.0f} s: {told}\n{logs}")


def main() -> None:
    """Run a command beside a cluster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accounting", action="store_true")
    parser.add_argument("command", nargs="+")
    chosen = parser.parse_args()
    if why := obstacle():
        raise SystemExit(f"error: no cluster can run here: {why}")
    with Cluster(chosen.folder.resolve(), chosen.accounting) as cluster:
        raise SystemExit(subprocess.run(chosen.command, env=cluster.environment).returncode)


if __name__ == "__main__":
    main()
