"""Pulumi's protocol messages, imported without the SDK around them.

`import pulumi` costs more than everything else that the plugin needs at its start, which every
`pulumi` command waits for. The message modules import each other relatively, so they load as well
under a package of our own.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
    )
else:
    import importlib.util
    import sys
    from importlib import import_module
    from pathlib import Path
    from types import ModuleType

    _sdk = importlib.util.find_spec("pulumi")
    if _sdk is None or _sdk.origin is None:
        raise ImportError("the package `pulumi` is not installed")
    _package = ModuleType(f"{__name__}.messages")
    _package.__path__ = [str(Path(_sdk.origin).parent / "runtime" / "proto")]
    sys.modules[_package.__name__] = _package

    engine_pb2 = import_module(f"{_package.__name__}.engine_pb2")
    engine_pb2_grpc = import_module(f"{_package.__name__}.engine_pb2_grpc")
    plugin_pb2 = import_module(f"{_package.__name__}.plugin_pb2")
    provider_pb2 = import_module(f"{_package.__name__}.provider_pb2")
    provider_pb2_grpc = import_module(f"{_package.__name__}.provider_pb2_grpc")

__all__ = ["engine_pb2", "engine_pb2_grpc", "plugin_pb2", "provider_pb2", "provider_pb2_grpc"]
