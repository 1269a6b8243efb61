"""Pulumi's CLI and its Python language host, as they can be had on this machine."""

import os
import shutil
import stat
from pathlib import Path

from local import binaries, cache, node, state
from local.errors import LocalError
from local.paths import CACHE, LOCAL

PULUMI_HOME = LOCAL / "pulumi"
STACKS = LOCAL / "stacks"
"""The folder that is the local stacks' backend."""


def pulumi() -> Path:
    """The folder of the `pulumi` program: from PATH if there is one, else built from modules."""
    return _machines_own() or _built_pulumi()


def is_own_pulumi() -> bool:
    """Whether the CLI is the one built here, not the machine's own."""
    return _machines_own() is None


def _machines_own() -> Path | None:
    """The folder of the machine's own CLI; a shell with `make env` has the built one on PATH."""
    found = shutil.which("pulumi")
    folder = Path(found).resolve().parent if found else None
    return folder if folder and CACHE.resolve() not in folder.parents else None


def _built_pulumi() -> Path:
    engine = binaries.pulumi()
    host = binaries.language_host()
    wrapper = binaries.BUILD / "pulumi-language-python"
    venv = binaries.BUILD / "host-venv"

    def assemble(folder: Path) -> None:
        # Hard links or copies: the engine warns about a `pulumi` that is a symbolic link.
        shutil.copy2(engine / "pulumi", folder / "pulumi")
        shutil.copy2(host / "pulumi-language-python", folder / "pulumi-language-python-host")
        shutil.copy2(wrapper, folder / "pulumi-language-python")
        for script in _python_scripts():
            shutil.copyfile(script, folder / script.name)
        # The language host wants a folder like that of a virtual environment.
        shutil.copytree(venv, folder / venv.name / "bin", ignore=shutil.ignore_patterns("__*"))
        for program in (*folder.glob("pulumi*"), folder / venv.name / "bin" / "python"):
            program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    return cache.built("pulumi-cli", [engine.name, host.name, wrapper, venv], assemble)


def _python_scripts() -> list[Path]:
    """The small programs that the language host and the engine start Python by."""
    sdk = binaries.module_folder(f"{binaries.PULUMI}/sdk/v3")
    return [
        sdk / "python" / "cmd" / "pulumi-language-python-exec",
        sdk / "python" / "dist" / "pulumi-resource-pulumi-python",
    ]


def environment() -> dict[str, str]:
    """What a shell needs for plain `pulumi` commands on the local stack."""
    return {
        "PULUMI_HOME": str(PULUMI_HOME),
        # No file of attributes beside each file: one left empty by a kill ends every later command.
        "PULUMI_BACKEND_URL": f"{state.url(STACKS)}?metadata=skip",
        # The state is looked for, and mended, as plain JSON.
        "PULUMI_DIY_BACKEND_GZIP": "false",
        "PULUMI_DIY_BACKEND_ZSTD": "false",
        # The local stack guards nothing but the local node, whose key lies beside it.
        "PULUMI_CONFIG_PASSPHRASE": "local",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The language host lists Python's packages by pip at each command.
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # What there is has been installed; otherwise every command looks for more outside.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        # What an `up` made that was killed before it could note it is its own: nobody else is here.
        # The next `up` applies it once more, over the fields that the API server has filled in.
        "PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true",
        "PULUMI_K8S_ENABLE_PATCH_FORCE": "true",
        **_beside_proxies(),
    }


def _beside_proxies() -> dict[str, str]:
    """Where there is a proxy, the way past it to the node, which is on this machine."""
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    if not any(os.environ.get(name) or os.environ.get(name.lower()) for name in proxies):
        return {}
    try:
        network = node.own_network()
    except LocalError:
        return {}
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    entries = ",".join(
        dict.fromkeys([*filter(None, given.split(",")), str(network.all), str(network.api)])
    )
    return {"NO_PROXY": entries, "no_proxy": entries}


def subprocess_environment() -> dict[str, str]:
    """This process's environment with the local stack's added and its programs first on PATH."""
    path = os.pathsep.join([*map(str, program_folders()), os.environ.get("PATH", "")])
    return {**os.environ, **environment(), "PATH": path}


def program_folders() -> list[Path]:
    """Where the programs that the local stack is worked with lie, for PATH."""
    return [pulumi(), _kubectl()]


def _kubectl() -> Path:
    """A folder with nothing in it but kubectl, so that no shell gets the node's own programs."""
    link = LOCAL / "bin" / "kubectl"
    program = binaries.kube() / "kubectl"
    if not link.exists() or link.resolve() != program:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    return link.parent
