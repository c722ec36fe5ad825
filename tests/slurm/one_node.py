"""A throw-away Slurm cluster on this machine, to try the Slurm profile where there is no cluster.

    python tests/slurm/one_node.py up        install what is missing (Debian or Ubuntu, root), start, wait until idle
    python tests/slurm/one_node.py status    nodes and jobs
    python tests/slurm/one_node.py down      stop what `up` started

Three virtual nodes on the loopback device: c1 and c2 in the partition "serial", g1 in the partition "accelerated" with
one made-up GPU of the type "fake" (its device is /dev/null: Slurm schedules it like any other, and sets
CUDA_VISIBLE_DEVICES). The names differ from those in profiles/slurm/site.yaml, so that a name that is written down
anywhere else is found out. Jobs are accounted for in a database (slurmdbd and MariaDB over a Unix socket).

Memory limits are enforced by polling (no cgroups are needed), time limits and node failures by Slurm as everywhere; a
node counts as lost after 15 s instead of minutes. Everything lies below one folder ($SLURM_ONE_NODE, by default
/tmp/surrogate-slurm), except for the link /etc/slurm/slurm.conf, without which a job step does not find its cluster.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

FOLDER = Path(os.environ.get("SLURM_ONE_NODE", "/tmp/surrogate-slurm"))
PORT = int(os.environ.get("SLURM_ONE_NODE_PORT", "21817"))  # this one and the next four
LINK = Path("/etc/slurm/slurm.conf")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge", "mariadb-server")
NODES = ("c1", "c2", "g1")
MEMORY = 6000  # MB that each virtual node claims to have

SLURM_CONF = """\
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.own
SlurmdPidFile={folder}/run/%n.own
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
# Without cgroups: processes of a job are found by their parents, memory is polled.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
ReturnToService=2
SlurmdTimeout=15
KillWait=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database_port}
AccountingStoragePass={folder}/munge/socket
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
{nodes}
PartitionName=serial Nodes=c1,c2 Default=YES MaxTime=02:00:00 DefMemPerCPU=500 State=UP
PartitionName=accelerated Nodes=g1 Default=NO MaxTime=02:00:00 DefMemPerCPU=500 State=UP
"""

DATABASE_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={database_port}
SlurmUser=root
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.own
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
"""


class ClusterError(RuntimeError):
    """The cluster cannot be started; the message says why."""


def environment() -> dict[str, str]:
    """Return the environment in which Slurm's commands, and Snakemake, reach this cluster."""
    found = {**os.environ, "SLURM_CONF": str(FOLDER / "slurm.conf"), "MYSQL_UNIX_PORT": str(FOLDER / "database/socket")}
    return {name: value for name, value in found.items() if not name.startswith("SLURM_JOB")}


def ask(*command: str) -> str:
    """Run one of Slurm's commands and return what it prints."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _answers(*command: str) -> Callable[[], bool]:
    def tried() -> bool:
        return subprocess.run(command, env=environment(), capture_output=True, timeout=600).returncode == 0

    return tried


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Poll until `condition` holds; ClusterError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"waited {seconds:g} s for {what}; logs are in {FOLDER / 'log'}")
        time.sleep(0.2)


def _pid(name: str) -> int | None:
    try:
        pid = int((FOLDER / "run" / f"{name}.pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def _start(name: str, *command: str) -> None:
    with open(FOLDER / "log" / f"{name}.out", "w") as log:
        process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (FOLDER / "run" / f"{name}.pid").write_text(str(process.pid))


def _stop(name: str, how: signal.Signals = signal.SIGTERM) -> None:
    pid = _pid(name)
    if pid is not None:
        os.kill(pid, how)
        try:
            os.waitpid(pid, 0)  # where it is a child of this process
        except ChildProcessError:
            wait_for(f"the end of {name}", lambda: _pid(name) is None, 30)
    (FOLDER / "run" / f"{name}.pid").unlink(missing_ok=True)


def start_node(name: str) -> None:
    """Start the daemon of a node and wait until the cluster can use it."""
    _start(name, shutil.which("slurmd") or "/usr/sbin/slurmd", "-D", "-N", name)
    wait_for(f"node {name}", lambda: ask("sinfo", "-h", "-N", "-n", name, "-o", "%T").split()[:1] in USABLE, 60)


USABLE = (["idle"], ["mixed"], ["allocated"])


def kill_node(name: str, jobs: bool = False) -> None:
    """Kill the daemon of a node without a warning; with `jobs`, also all that runs there, as when its power goes."""
    _stop(name, signal.SIGKILL)
    if not jobs:
        return  # what runs goes on, as on a node that lost its network
    numbers = ask("squeue", "-h", "-w", name, "-o", "%A").split()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            steps = process.joinpath("cmdline").read_bytes().decode(errors="replace")
            inherited = process.joinpath("environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is none of ours
        at_work = f"SLURMD_NODENAME={name}".encode() in inherited
        if at_work or any(steps.startswith(f"slurmstepd: [{number}.") for number in numbers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)


def install() -> None:
    """Install the packages that are missing; their services are not started."""
    missing = [
        name for name in PACKAGES if subprocess.run(["dpkg", "-s", name], capture_output=True, check=False).returncode
    ]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise ClusterError(f"needs {', '.join(missing)}, and there is no apt-get to install them")
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for action in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *action]
            done = subprocess.run(command, env=quiet, capture_output=True, text=True)
            if done.returncode:
                raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    finally:
        if ours:
            policy.unlink()


def configure() -> None:
    """Write all files of the cluster below its folder."""
    for name in ("log", "run", "state", "munge", *(f"spool/{node}" for node in NODES)):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    FOLDER.chmod(0o755)
    key = FOLDER / "munge/key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
    for path in (key, key.parent):
        shutil.chown(path, "munge", "munge")
    host, cpus = socket.gethostname().partition(".")[0], os.cpu_count() or 1
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={PORT + 2 + place} CPUs={cpus} "
        f"RealMemory={MEMORY} State=UNKNOWN" + (" Gres=gpu:fake:1" if node == "g1" else "")
        for place, node in enumerate(NODES)
    )
    values = {"folder": FOLDER, "port": PORT, "database_port": PORT + 5, "host": host, "nodes": nodes}
    (FOLDER / "slurm.conf").write_text(SLURM_CONF.format(**values))
    (FOLDER / "gres.conf").write_text("NodeName=g1 Name=gpu Type=fake File=/dev/null\n")
    secret = FOLDER / "slurmdbd.conf"  # slurmdbd insists on this mode
    secret.touch(mode=0o600)
    secret.write_text(DATABASE_CONF.format(**values))


def running() -> bool:
    """Tell whether the cluster is up."""
    return _pid("slurmctld") is not None


def up() -> None:
    """Install, configure and start everything; return when all nodes are idle."""
    if os.geteuid() != 0:
        raise ClusterError("a cluster of one's own needs root")
    if running():
        return
    if os.path.lexists(LINK) and not (LINK.is_symlink() and LINK.readlink() == FOLDER / "slurm.conf"):
        raise ClusterError(f"{LINK} is there: this machine belongs to another cluster")
    install()
    configure()
    LINK.parent.mkdir(exist_ok=True)
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(FOLDER / "slurm.conf")
    munge, database = FOLDER / "munge", FOLDER / "database"
    _start(
        "munged", "setpriv", "--reuid=munge", "--regid=munge", "--clear-groups",
        "munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket",
        f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
    )  # fmt: skip
    wait_for("munged", _answers("munge", f"--socket={munge}/socket", "--no-input"))
    if not (database / "mysql").is_dir():
        database.mkdir(exist_ok=True)
        shutil.chown(database, "mysql", "mysql")
        ask(
            "mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={database}",
            "--auth-root-authentication-method=socket", "--skip-test-db",
        )  # fmt: skip
    _start(
        "mariadbd", "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={database}",
        f"--socket={database}/socket", f"--pid-file={database}/pid", "--skip-networking",
        "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900",
    )  # fmt: skip
    wait_for("MariaDB", _answers("mariadb-admin", "--no-defaults", f"--socket={database}/socket", "ping"))
    _start("slurmdbd", "slurmdbd", "-D")
    wait_for("slurmdbd", _answers("sacctmgr", "-n", "list", "cluster"))
    _answers("sacctmgr", "-i", "add", "cluster", "onenode")()  # fails where it is known already
    _answers("sacctmgr", "-i", "add", "account", "project")()
    _answers("sacctmgr", "-i", "add", "user", "root", "account=project")()
    _start("slurmctld", "slurmctld", "-D")
    wait_for("slurmctld", _answers("scontrol", "ping"))
    for node in NODES:
        start_node(node)


def down() -> None:
    """Stop the daemons that :func:`up` started and take the link away."""
    for name in (*NODES, "slurmctld", "slurmdbd", "mariadbd", "munged"):
        _stop(name)
    if LINK.is_symlink() and LINK.readlink() == FOLDER / "slurm.conf":
        LINK.unlink()


def status() -> None:
    """Print nodes and jobs."""
    print(ask("sinfo", "-N", "-o", "%N %P %T %c CPUs %m MB %G"), ask("squeue"), sep="\n")


def main(arguments: Sequence[str]) -> int:
    """Run one of the actions."""
    actions = {"up": up, "down": down, "status": status, "install": install}
    if len(arguments) != 1 or arguments[0] not in actions:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        actions[arguments[0]]()
    except ClusterError as error:
        print(f"one_node: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
