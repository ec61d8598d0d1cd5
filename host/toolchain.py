"""Makes what the project needs to run from source, under build/: `python3 host/toolchain.py [--check]`.

    build/venv            the project, editable, with its test tools
    build/toolchain/bin   micropython, micropython-i386, mosquitto, mosquitto_pub, mosquitto_sub, mosquitto_passwd,
                          and of PostgreSQL initdb and postgres where they can be had

Strategy: a program on PATH that is new enough is linked. Otherwise, on Debian and Ubuntu, its packages and the
libraries they need are downloaded by apt with a state of its own, unpacked by `dpkg-deb -x`, and run through their own
dynamic loader, so that a newer release's program runs here. No root; the system and its apt are left as they are.

Rules: the standard library only, for it runs before anything is installed. A step that is done leaves a stamp of what
it was made from, and is not repeated while that holds. A folder appears whole or not at all: it is filled beside its
place and renamed. One run at a time: a second one waits, and then finds the work done.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
VENV = BUILD / "venv"
TOOLCHAIN = BUILD / "toolchain"
BIN = TOOLCHAIN / "bin"

# Releases that carry MicroPython 1.22 or later, in the order in which they are tried.
NEWER_SUITES = {"debian": ("trixie", "forky"), "ubuntu": ("noble", "plucky", "questing", "resolute")}
COMPONENTS = {"debian": "main", "ubuntu": "main universe"}


class SetupError(Exception):
    """What stops the set-up; its text is one line for a person."""


@dataclass(frozen=True)
class Tools:
    """Programs that come together: how they are recognised on PATH, and the packages that hold them."""

    name: str
    programs: tuple[str, ...]  # names under build/toolchain/bin; the first one is probed
    packages: tuple[str, ...]
    probe: tuple[str, ...]  # arguments with which the first program tells its version
    version: str  # finds major and minor in what it printed
    minimum: tuple[int, int]
    by_hand: str = field(
        repr=False
    )  # what a person installs where it cannot be fetched; not part of the stamp
    newer_suite: bool = False  # this machine's own release may be too old for it
    architecture: str = ""  # "" is this machine's


MICROPYTHON = Tools(
    name="micropython",
    programs=("micropython",),
    packages=("micropython",),
    probe=("-c", "import sys, vfs, asyncio, deflate; print(sys.version, sys.maxsize)"),
    version=r"MicroPython v(\d+)\.(\d+)",
    minimum=(1, 22),
    by_hand="MicroPython for Unix, 1.22 or later",
    newer_suite=True,
)
MICROPYTHON_I386 = Tools(
    name="micropython-i386",
    programs=("micropython-i386",),
    packages=("micropython",),
    probe=MICROPYTHON.probe,
    version=r"MicroPython v(\d+)\.(\d+).* 2147483647$",
    minimum=(1, 22),
    by_hand="MicroPython for Unix, 1.22 or later",
    newer_suite=True,
    architecture="i386",
)
MOSQUITTO = Tools(
    name="mosquitto",
    programs=("mosquitto", "mosquitto_pub", "mosquitto_sub", "mosquitto_passwd"),
    packages=("mosquitto", "mosquitto-clients"),
    probe=("-h",),
    version=r"mosquitto version (\d+)\.(\d+)",
    minimum=(2, 0),
    by_hand="mosquitto 2.0 or later and its clients",
)
# The server finds its own files beside its program, so it is linked, or run where it was unpacked; each release of
# Debian and Ubuntu has one of these.
POSTGRES_RELEASES = ("18", "17", "16", "15", "14")


def say(line: str) -> None:
    """One line of progress, at once."""
    print(line, flush=True)


# --- stamps, folders, processes --------------------------------------------------------------------------------------


def digest(*parts: object) -> str:
    """What a step was made from, as a short hash."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def stamped(name: str, made_from: str) -> bool:
    """True when step `name` was finished from just this."""
    stamp = BUILD / "stamps" / name
    return stamp.is_file() and stamp.read_text() == made_from


def put_stamp(name: str, made_from: str) -> None:
    """Step `name` is finished."""
    stamp = BUILD / "stamps" / name
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(made_from)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the file system of build/ that goes away; what is kept of it is renamed out of it."""
    with tempfile.TemporaryDirectory(dir=BUILD, prefix=".part-") as folder:
        yield Path(folder)


@contextmanager
def only_one() -> Iterator[None]:
    """Holds the lock of build/, and clears what an interrupted run left."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running here: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in BUILD.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What the command printed; SetupError with the line that says why it failed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        why = next((line for line in lines if line.startswith(("E:", "ERROR:"))), lines[-1])
        raise SetupError(f"{Path(command[0]).name}: {why.removeprefix('E: ').removeprefix('ERROR: ')}")
    return done.stdout


# --- programs that are already there ---------------------------------------------------------------------------------


def version_of(tools: Tools, program: str | Path) -> tuple[int, int] | None:
    """Major and minor of the program, or None when it does not run or is something else."""
    try:
        done = subprocess.run(
            [program, *tools.probe], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(tools.version, done.stdout.strip(), re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else None


def link_from_path(tools: Tools) -> bool:
    """Links the programs found on PATH; False when one is missing or too old."""
    others = [folder for folder in os.get_exec_path() if Path(folder) != BIN]
    path = os.pathsep.join([*others, "/usr/local/sbin", "/usr/sbin"])
    found = [shutil.which(program, path=path) for program in tools.programs]
    if not all(found) or (version_of(tools, str(found[0])) or (0, 0)) < tools.minimum:
        return False
    for program, target in zip(tools.programs, found, strict=True):
        (BIN / program).unlink(missing_ok=True)
        (BIN / program).symlink_to(str(target))
    say(f"{tools.name}: {found[0]}")
    return True


# --- programs from packages ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Where this machine gets its packages: the mirror and the key it trusts for it, as its own apt has them."""

    uris: str
    trust: str  # the lines of a deb822 stanza that say whom to trust

    def stanza(self, suite: str, components: str) -> str:
        """The same mirror's `suite`, in deb822 form; package lists only."""
        fields = {
            "Types": "deb",
            "URIs": self.uris,
            "Suites": suite,
            "Components": components,
            "Targets": "Packages",
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items()) + self.trust


@dataclass(frozen=True)
class Release:
    """The distribution, after /etc/os-release."""

    family: str  # debian or ubuntu
    codename: str

    @classmethod
    def of_this_machine(cls) -> Release:
        try:
            fields = platform.freedesktop_os_release()
        except OSError:
            fields = {}
        kin = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
        family = next((name for name in ("ubuntu", "debian") if name in kin), "")
        if not family or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise SetupError("packages are fetched on Debian and Ubuntu only")
        own = {"ubuntu": "UBUNTU_CODENAME", "debian": "DEBIAN_CODENAME"}[family]
        return cls(family, fields.get(own) or fields.get("VERSION_CODENAME", "sid"))

    def suites(self, newer: bool) -> tuple[str, ...]:
        """The suites to try, in order."""
        if not newer:
            return (self.codename,)
        suites = NEWER_SUITES[self.family]
        return suites[suites.index(self.codename) :] if self.codename in suites else suites


def stanzas_of(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of a deb822 file: field names in lower case, continuation lines kept as they are."""
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", kept):
        fields = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", block, re.MULTILINE)
        yield {name.lower(): value for name, value in fields}


def one_line_stanzas(text: str) -> Iterator[dict[str, str]]:
    """The lines `deb [option=value …] uri suite component …` of a sources.list, as stanzas."""
    line = r"^\s*deb\s+(?:\[(.*?)\]\s*)?(\S+)\s+(\S+)\s+([^#\n]+)"
    for options, uri, suite, components in re.findall(line, text, re.MULTILINE):
        pairs = (option.split("=", 1) for option in options.split() if "=" in option)
        fields = {"types": "deb", "uris": uri, "suites": suite, "components": components}
        yield fields | {name.lower(): value for name, value in pairs}


def serves(stanza: dict[str, str], suites: set[str]) -> bool:
    """The stanza is in use, and is for binary packages of one of the suites."""
    in_use = stanza.get("enabled", "yes").lower() != "no" and "deb" in stanza.get("types", "").split()
    return in_use and "uris" in stanza and not suites.isdisjoint(stanza.get("suites", "").split())


def machine_source(release: Release, etc: Path = Path("/etc/apt")) -> Source:
    """The source that this machine's own release comes from.

    A vendor's archive may call its suite like the release. It has no updates to it, so a source that has is preferred.
    """
    stanzas: list[dict[str, str]] = []
    for file in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if file.suffix == ".sources":
            stanzas += stanzas_of(file.read_text())
        elif file.suffix == ".list" and file.is_file():
            stanzas += one_line_stanzas(file.read_text())
    names = {release.codename, "stable", "testing", "unstable", "sid"}
    updated = {stanza["uris"] for stanza in stanzas if serves(stanza, {f"{name}-updates" for name in names})}
    usable = [
        stanza
        for stanza in stanzas
        if serves(stanza, names) and "main" in stanza.get("components", "").split()
    ]
    if not usable:
        raise SetupError(f"apt's sources name no mirror of {release.codename}")
    best = min(usable, key=lambda stanza: stanza["uris"] not in updated)
    return Source(
        best["uris"], "".join(f"{name}: {best[name]}\n" for name in ("signed-by", "trusted") if name in best)
    )


class Apt:
    """apt on one suite, with state and cache in `folder`: it reads the system's configuration and changes nothing."""

    def __init__(self, folder: Path, stanza: str, architecture: str) -> None:
        for needed in ("state/lists/partial", "cache/archives/partial", "sources"):
            (folder / needed).mkdir(parents=True)
        (folder / "sources/suite.sources").write_text(stanza)
        (
            folder / "status"
        ).touch()  # nothing counts as installed: every library is named, none of the system's used
        options = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": folder / "sources",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root",  # drops nothing when root, means nothing otherwise
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "30",
            "Debug::NoLocking": "true",
        }
        if architecture:
            options |= {"APT::Architecture": architecture, "APT::Architectures": architecture}
        # A file of our own is read last, after the system's: so it can also clear their lists.
        lists = ("APT::Architectures", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
        lines = [f"#clear {name};" for name in lists] + [
            f'{name} "{value}";' for name, value in options.items()
        ]
        self._configuration = folder / "apt.conf"
        self._configuration.write_text("\n".join(lines) + "\n")

    def get(self, *arguments: str, cwd: Path = ROOT) -> str:
        """Runs apt-get."""
        return run("apt-get", "-q", "-c", self._configuration, *arguments, cwd=cwd)

    def unpack(self, packages: Sequence[str], into: Path) -> None:
        """Unpacks the packages and the libraries that they need."""
        self.get("update")
        plan = self.get("--simulate", "--no-install-recommends", "install", *packages)
        closure = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
        wanted = [name for name in closure if name in packages or name.startswith("lib")]
        downloads = into.parent / "downloads"
        downloads.mkdir()
        self.get("download", *wanted, cwd=downloads)
        into.mkdir()
        for package in sorted(downloads.glob("*.deb")):
            run("dpkg-deb", "-x", package, into)


def fetch(packages: Sequence[str], place: Path, newer_suite: bool = False, architecture: str = "") -> str:
    """Puts the unpacked packages at `place`, and returns the suite that they came from."""
    release = Release.of_this_machine()
    source = machine_source(release)
    reasons = []
    for suite in release.suites(newer_suite):
        with scratch() as folder:
            try:
                apt = Apt(folder / "apt", source.stanza(suite, COMPONENTS[release.family]), architecture)
                apt.unpack(packages, folder / "root")
            except SetupError as error:
                reasons.append(f"{suite}: {error}")
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            (folder / "root").rename(place)
            return suite
    raise SetupError("; ".join(reasons))


def wrapper_for(program: Path, place: Path) -> str:
    """A shell script that runs the program with the loader and the libraries that were unpacked with it."""
    loader = min(
        place.rglob("ld-linux*.so.*"), key=lambda path: (path.is_symlink(), len(path.parts)), default=None
    )
    if loader is None:
        raise SetupError(f"no dynamic loader came with {program.name}")
    folders = sorted(
        {library.parent for library in place.rglob("lib*.so.*")}, key=lambda path: len(path.parts)
    )

    def here(path: Path) -> str:
        return '"$tools"/' + shlex.quote(str(path.relative_to(TOOLCHAIN)))

    library_path = ":".join(here(folder) for folder in folders)
    return f'#!/bin/sh\ntools=${{0%/*}}/..\nexec {here(loader)} --library-path {library_path} {here(program)} "$@"\n'


def fetch_tools(tools: Tools) -> None:
    """Fetches the packages and writes the wrappers, once they were seen to run."""
    say(f"{tools.name}: fetching")
    place = TOOLCHAIN / tools.name
    suite = fetch(tools.packages, place, tools.newer_suite, tools.architecture)
    for name in tools.programs:
        own_name = tools.packages[0] if len(tools.programs) == 1 else name
        program = next((path for path in place.glob(f"usr/*bin/{own_name}")), None)
        if program is None:
            raise SetupError(f"{suite} has no {own_name}")
        (BIN / name).unlink(missing_ok=True)
        (BIN / name).write_text(wrapper_for(program, place))
        (BIN / name).chmod(0o755)
    version = version_of(tools, BIN / tools.programs[0])
    if version is None or version < tools.minimum:
        for name in tools.programs:
            (BIN / name).unlink()
        raise SetupError(
            "it does not run here" if version is None else f"{suite} has only {version[0]}.{version[1]}"
        )
    say(f"{tools.name}: {version[0]}.{version[1]} from {suite}")


# --- the steps -------------------------------------------------------------------------------------------------------


def tools_done(tools: Tools) -> bool:
    """The programs are there, made by this recipe."""
    return stamped(tools.name, digest(tools)) and all((BIN / name).is_file() for name in tools.programs)


def make_tools(tools: Tools) -> None:
    """Links or fetches the programs."""
    if tools_done(tools):
        return
    BIN.mkdir(parents=True, exist_ok=True)
    if not link_from_path(tools):
        try:
            fetch_tools(tools)
        except SetupError as error:
            raise SetupError(
                f"install {tools.by_hand} by hand: it cannot be fetched here ({error})"
            ) from error
    put_stamp(tools.name, digest(tools))


def make_i386() -> None:
    """The 32-bit MicroPython has the board's object model; where it cannot run, its tests are skipped."""
    reason_file = TOOLCHAIN / "no-i386"
    if tools_done(MICROPYTHON_I386):
        return
    if not reason_file.is_file():
        try:
            if platform.machine() != "x86_64":
                raise SetupError(f"not on {platform.machine()}")
            make_tools(MICROPYTHON_I386)
            return
        except SetupError as error:
            reason_file.write_text(str(error))
    say(f"micropython-i386: its tests are skipped ({reason_file.read_text()}); `make clean` to try again")


def postgres_made_from() -> str:
    """What the step was made from."""
    return digest(POSTGRES_RELEASES, "1")


def postgres_done() -> bool:
    """The server is there, or it was found that it cannot be had."""
    there = all((BIN / name).exists() for name in ("initdb", "postgres"))
    return stamped("postgres", postgres_made_from()) and (there or (TOOLCHAIN / "no-postgres").is_file())


def installed_postgres(root: Path = Path("/")) -> Path | None:
    """The newest server under `root` where Debian puts it, or on PATH."""
    found = [folder / "bin" for folder in (root / "usr/lib/postgresql").glob("*") if folder.name.isdecimal()]
    found = [folder for folder in found if (folder / "initdb").is_file() and (folder / "postgres").is_file()]
    if found:
        return max(found, key=lambda folder: int(folder.parent.name))
    on_path = shutil.which("initdb") if root == Path("/") else None
    if on_path and Path(on_path).parent != BIN and (Path(on_path).resolve().parent / "postgres").is_file():
        return Path(on_path).resolve().parent
    return None


def fetch_postgres() -> Path:
    """Unpacks the server and its libraries, and returns its folder of programs."""
    place, reasons = TOOLCHAIN / "postgres", []
    for release in POSTGRES_RELEASES:
        try:
            fetch([f"postgresql-{release}"], place)
        except SetupError as error:
            reasons.append(str(error))
            continue
        programs = installed_postgres(place)
        if programs is not None:
            return programs
    raise SetupError(reasons[-1] if reasons else "no release of it has a server")


def wrap_in_place(program: Path) -> None:
    """Puts a wrapper where the program was: initdb starts the server from its own folder."""
    binary = program.with_name(program.name + ".elf")
    program.rename(binary)
    up = "/.." * (len(program.relative_to(TOOLCHAIN).parts) - 1)
    program.write_text(wrapper_for(binary, TOOLCHAIN / "postgres").replace("${0%/*}/..", "${0%/*}" + up))
    program.chmod(0o755)


def make_postgres() -> None:
    """Links or fetches PostgreSQL; where it cannot be had, its tests are skipped."""
    if postgres_done():
        return
    BIN.mkdir(parents=True, exist_ok=True)
    (TOOLCHAIN / "no-postgres").unlink(missing_ok=True)
    try:
        programs = installed_postgres()
        fetched = programs is None
        if programs is None:
            say("postgres: fetching")
            programs = fetch_postgres()
        for name in ("initdb", "postgres"):
            (BIN / name).unlink(missing_ok=True)
            if fetched:
                wrap_in_place(programs / name)
                script = f'#!/bin/sh\nexec "${{0%/*}}"/../{(programs / name).relative_to(TOOLCHAIN)} "$@"\n'
                (BIN / name).write_text(script)
                (BIN / name).chmod(0o755)
            else:
                (BIN / name).symlink_to(programs / name)
        said = run(BIN / "postgres", "--version").strip()
        say(f"postgres: {said.split(') ')[-1].split()[0]} {'fetched' if fetched else programs}")
    except SetupError as error:
        for name in ("initdb", "postgres"):
            (BIN / name).unlink(missing_ok=True)
        (TOOLCHAIN / "no-postgres").write_text(str(error))
        say(f"postgres: its tests are skipped ({error}); `make clean` to try again")
    put_stamp("postgres", postgres_made_from())


def venv_made_from() -> str:
    """Another Python or a moved tree needs a new virtual environment."""
    return digest(sys.version, ROOT)


def project_made_from() -> str:
    """A changed pyproject.toml needs a new installation."""
    return digest(venv_made_from(), (ROOT / "pyproject.toml").read_text())


def venv_done() -> bool:
    """The virtual environment is there, with pip."""
    return stamped("venv", venv_made_from()) and (VENV / "bin/python").exists()


def make_venv() -> None:
    """Makes build/venv, with pip from Debian's package where Python has no ensurepip."""
    if venv_done():
        return
    say("venv: creating")
    if importlib.util.find_spec("ensurepip"):
        run(sys.executable, "-m", "venv", "--clear", VENV)
    else:
        wheels = TOOLCHAIN / "python-wheels"
        try:
            fetch(["python3-pip-whl"], wheels)
        except SetupError as error:
            raise SetupError(
                f"install Python's venv and pip by hand: they cannot be fetched ({error})"
            ) from error
        pip = next(wheels.rglob("pip-*.whl"), None)
        if pip is None:
            raise SetupError("the package python3-pip-whl holds no wheel of pip")
        run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
        run(VENV / "bin/python", pip / "pip", "install", "--no-index", pip)
    put_stamp("venv", venv_made_from())


def project_done() -> bool:
    """The project is installed as pyproject.toml says."""
    return venv_done() and stamped("project", project_made_from())


def make_project() -> None:
    """Installs the project, editable, with its test tools."""
    if project_done():
        return
    say("venv: installing the project and its test tools")
    pip = (VENV / "bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input")
    try:
        run(*pip, "install", "--quiet", "--editable", ".[test]")
    except SetupError as error:
        raise SetupError(
            f"pip cannot install what pyproject.toml names; is there a network? ({error})"
        ) from error
    put_stamp("project", project_made_from())


def missing() -> list[str]:
    """The steps that are not done."""
    left = [tools.name for tools in (MICROPYTHON, MOSQUITTO) if not tools_done(tools)]
    if not tools_done(MICROPYTHON_I386) and not (TOOLCHAIN / "no-i386").is_file():
        left.append(MICROPYTHON_I386.name)
    if not postgres_done():
        left.append("postgres")
    return left if project_done() else [*left, "venv"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all is there. 1: something is missing, and one line says what. 130: interrupted."""
    parser = argparse.ArgumentParser(description="Makes build/venv and build/toolchain.")
    parser.add_argument("--check", action="store_true", help="only say what is missing; change nothing")
    if parser.parse_args(arguments).check:
        left = missing()
        say(f"missing: {', '.join(left)} (run `make setup`)" if left else "all is there")
        return 1 if left else 0
    try:
        if sys.version_info < (3, 11):  # noqa: UP036 - it is the first thing that runs, by any Python
            raise SetupError(f"install Python 3.11 or later by hand: this is {platform.python_version()}")
        with only_one():
            make_tools(MICROPYTHON)
            make_i386()
            make_tools(MOSQUITTO)
            make_postgres()
            make_venv()
            make_project()
    except KeyboardInterrupt:
        return 130
    except (SetupError, OSError) as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
