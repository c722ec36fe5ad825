"""The machine and the settings around the package: what stops a command or changes its numbers, and what to set."""

from __future__ import annotations

import errno
import json
import locale
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from surrogate.files import code_version

BACKENDS = ("tensorflow", "jax")
"""Of Keras; with each of them the trained networks give the same answers."""

FEW_OPEN_FILES = 512
"""A corpus keeps some hundred files open while it is made."""

FULL = 1.0
"""Gigabytes; a disk with less than this is called full."""

_LOCKED = (
    "is in use by another process, or its file system has no locks; if nobody writes to it, "
    "set HDF5_USE_FILE_LOCKING=FALSE"
)
_LOCK_ERRORS = (errno.EAGAIN, errno.ENOLCK, 35, 524)
"""EAGAIN of macOS, and ENOTSUPP of some network file systems, which has no name here."""
_NO_CACHE = "no folder for compiled code can be written; set NUMBA_CACHE_DIR to one that can"
_NO_UTF8 = "the locale is not UTF-8: names of files beyond ASCII cannot be used; set PYTHONUTF8=1 or LC_ALL=C.UTF-8"
_OPEN_FILES = "the limit of open files is too low; raise it with `ulimit -n 4096`"
_DISK_FULL = "the disk is full; free some space there, the same command goes on from where it was"


class EnvironmentFault(RuntimeError):
    """A setting outside the package would change its results; the message names it and what to set."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    passed : bool
    found : str
    advice : str
        What to set, if it did not pass; what to know, if it did.
    """

    name: str
    passed: bool
    found: str
    advice: str = ""


@dataclass(frozen=True)
class KerasSettings:
    """What Keras runs with.

    Attributes
    ----------
    backend, floatx, image_data_format : str
    chosen_by, file : str
        What decided on the backend, and on the other two: a variable, a file, or "default".
    """

    backend: str
    floatx: str
    image_data_format: str
    chosen_by: str
    file: str


def keras_settings() -> KerasSettings:
    """Find out what Keras runs with, or would if it were imported now; it is not imported."""
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "config"):
        variable = os.environ.get("KERAS_BACKEND")
        config, by = keras.config, "keras.config of this process"
        chosen_by = f"KERAS_BACKEND={variable}" if variable else by
        return KerasSettings(config.backend(), config.floatx(), config.image_data_format(), chosen_by, by)
    home = os.path.expanduser("~")
    base = Path(home if os.access(home, os.W_OK) else "/tmp")  # as Keras itself does
    file = Path(os.environ.get("KERAS_HOME") or base / ".keras").expanduser() / "keras.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    stated = content if isinstance(content, dict) else {}
    backend, chosen_by = stated.get("backend", "tensorflow"), str(file) if "backend" in stated else "default"
    if os.environ.get("KERAS_BACKEND"):
        backend = os.environ["KERAS_BACKEND"]
        chosen_by = f"KERAS_BACKEND={backend}"
    return KerasSettings(
        str(backend),
        str(stated.get("floatx", "float32")),
        str(stated.get("image_data_format", "channels_last")),
        chosen_by,
        str(file),
    )


def check_keras() -> None:
    """Refuse settings of Keras with which networks would be other ones; to be called before Keras is imported.

    Raises
    ------
    EnvironmentFault
        Naming the variable or the file, what it says and what was expected.
    """
    found = keras_settings()
    if found.backend not in BACKENDS:
        raise EnvironmentFault(
            f"{found.chosen_by}: the backend of Keras is {found.backend!r}, expected {' or '.join(BACKENDS)}; "
            "set KERAS_BACKEND=tensorflow"
        )
    for name, got, expected in (
        ("floatx", found.floatx, "float32"),
        ("image_data_format", found.image_data_format, "channels_last"),
    ):
        if got != expected:
            raise EnvironmentFault(
                f"{found.file}: {name} is {got!r}, expected {expected!r}: networks would be other ones than those that "
                "were tested; change it, or set KERAS_HOME to another folder"
            )


def explain(error: BaseException) -> str | None:
    """Return what to set about an error whose cause lies in the environment; None if it does not seem so.

    Every command ends with this sentence, and :func:`check_environment` gives the same beforehand.

    Examples
    --------
    >>> explain(OSError(24, "Too many open files"))
    'the limit of open files is too low; raise it with `ulimit -n 4096`'
    """
    seen: BaseException | None = error
    while seen is not None:
        number, text = getattr(seen, "errno", None), str(seen)
        if number in (errno.EMFILE, errno.ENFILE):
            return _OPEN_FILES
        if number in (errno.ENOSPC, errno.EDQUOT):
            return _DISK_FULL
        if number in _LOCK_ERRORS or "unable to lock file" in text:
            return _LOCKED
        if "cannot cache function" in text:
            return _NO_CACHE
        if isinstance(seen, UnicodeError) and "'ascii' codec" in text:
            return _NO_UTF8
        seen = seen.__cause__ or seen.__context__
    return None


def check_environment(results: str | os.PathLike[str] = "results") -> list[Check]:
    """Look at everything around the package that has stopped somebody before.

    Parameters
    ----------
    results : path
        Folder that is to hold results.

    Returns
    -------
    list of Check
    """
    checks = [_versions(), _keras()]
    if checks[-1].passed:
        checks.append(_devices())
    return [
        *checks,
        _compiled_code(),
        _snakemake_cache(),
        _threads(),
        _locking(),
        _text(),
        _open_files(),
        *(
            _folder(name, Path(path))
            for name, path in (("results", results), ("temporary files", tempfile.gettempdir()))
        ),
    ]


def _versions() -> Check:
    found, missing = [f"Python {platform.python_version()}", f"surrogate {code_version()}"], []
    for package in ("keras", "tensorflow", "jax", "numpy", "xarray", "zarr", "h5py", "numba", "dask", "snakemake"):
        for name in (package, f"{package}-cpu"):
            try:
                found.append(f"{package} {metadata.version(name)}")
                break
            except metadata.PackageNotFoundError:
                continue
        else:
            if package not in BACKENDS:
                missing.append(package)
    advice = f"not installed: {', '.join(missing)}; pip install surrogate" if missing else ""
    return Check("versions", not missing, ", ".join(found), advice)


def _keras() -> Check:
    found = keras_settings()
    text = f"backend {found.backend} ({found.chosen_by}), {found.floatx}, {found.image_data_format}"
    try:
        check_keras()
    except EnvironmentFault as error:
        return Check("keras", False, text, str(error))
    legacy = os.environ.get("TF_USE_LEGACY_KERAS")
    return Check("keras", True, text, f"TF_USE_LEGACY_KERAS={legacy} has no effect on Keras 3" if legacy else "")


_LIST_DEVICES = """
import json, keras
if keras.config.backend() == "jax":
    import jax
    names = [str(device) for device in jax.devices() if device.platform != "cpu"]
else:
    import tensorflow
    names = [device.name for device in tensorflow.config.list_physical_devices("GPU")]
print(json.dumps(names))
"""


def _devices() -> Check:
    """In another process: a backend that does not fit the machine may end it."""
    done = subprocess.run(
        [sys.executable, "-c", _LIST_DEVICES], capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Check("gpu", False, last, "the backend of Keras cannot be imported; install it anew")
    names = json.loads(done.stdout.strip().splitlines()[-1])
    if names:
        return Check("gpu", True, ", ".join(names))
    advice = ""
    if list(Path("/dev").glob("nvidia[0-9]*")):
        advice = "this machine has one, but the backend does not see it: install the extra `gpu`"
    return Check("gpu", True, "none seen; networks run on the CPU", advice)


def _writable(folder: Path) -> str:
    """Why files cannot be made in a folder, or in the one where it would be made; empty if they can."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror or error}"


def _user_cache(name: str) -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / name


def _compiled_code() -> Check:
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(chosen)] if chosen else [Path(__file__).parent, _user_cache("numba"), Path(tempfile.gettempdir())]
    for place in places:
        if not _writable(place):
            return Check("compiled code", True, f"kept in {place}" + (" (NUMBA_CACHE_DIR)" if chosen else ""))
    return Check("compiled code", False, _writable(places[0]), _NO_CACHE)


def _snakemake_cache() -> Check:
    place = _user_cache("snakemake")
    reason = _writable(place)
    advice = "the pipeline cannot start; set XDG_CACHE_HOME to a folder that can be written"
    return Check("snakemake cache", not reason, reason or str(place), advice if reason else "")


def _threads() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    limits = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    return Check("threads", True, ", ".join([f"{cores} of {os.cpu_count()} cores", *limits]))


def _locking() -> Check:
    setting = os.environ.get("HDF5_USE_FILE_LOCKING")
    found = f"HDF5_USE_FILE_LOCKING={setting}" if setting else "on, the default of HDF5"
    if (setting or "").upper() in ("FALSE", "0", "BEST_EFFORT"):
        return Check("file locks", True, found)
    try:
        import fcntl

        with tempfile.TemporaryFile(dir=".") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows
        pass
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            return Check("file locks", False, f"{Path.cwd()}: {error.strerror}", _LOCKED)
    return Check("file locks", True, found)


def _text() -> Check:
    encoding = locale.getpreferredencoding(False)
    files = sys.getfilesystemencoding()
    utf8 = "utf" in encoding.lower() and "utf" in files.lower()
    # What is written is UTF-8 in any locale.
    return Check("locale", True, f"text {encoding}, file names {files}", "" if utf8 else _NO_UTF8)


def _open_files() -> Check:
    try:
        import resource
    except ImportError:  # Windows
        return Check("open files", True, "no limit known")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = limit == resource.RLIM_INFINITY or limit >= FEW_OPEN_FILES
    return Check(
        "open files",
        enough,
        "no limit" if limit == resource.RLIM_INFINITY else f"at most {limit}",
        "" if enough else _OPEN_FILES,
    )


def _folder(name: str, folder: Path) -> Check:
    reason = _writable(folder)
    if reason:
        return Check(name, False, reason, "results cannot be written there; choose another folder or mend its rights")
    there = folder
    while not there.exists():
        there = there.resolve().parent
    free = shutil.disk_usage(there).free / 1e9
    return Check(name, free > FULL, f"{folder}: {free:.1f} GB free", "" if free > FULL else _DISK_FULL)
