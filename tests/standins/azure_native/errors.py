"""How Azure's refusals read under Pulumi."""


class ArmError(Exception):
    """An answer of Azure Resource Manager that is none of success.

    The text is the real plugin's (`PulumiAzcoreResponseError` in pulumi-azure-native,
    provider/pkg/azure/client_azcore.go).
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')


class ExistsError(Exception):
    """The plugin's own refusal to create what is there (`CanCreate` in the same file)."""

    def __init__(self, id_: str) -> None:
        super().__init__(f"cannot create already existing resource '{id_}'")


class ProvisioningError(ArmError):
    """Azure took the request, and the resource it made of it does not work."""
