"""The rules as policies of Pulumi's SDK, which serves them to the engine."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi_policy
from pulumi_policy import deserialize
from pulumi_policy.proxy import UnknownValueError

from policy.rule import Rule, Secret, Seen, StackRule, Unknown

_MARK = "1f4b7c0e-secret-of-the-stack"
"""The one key of the object that a secret is put into before it reaches a rule."""


def serve(rules: Sequence[Rule | StackRule]) -> None:
    """Serve the rules for as long as the engine asks."""
    _hide_secrets()
    pulumi_policy.PolicyPack(name="linkerd-canary", policies=[_policy(rule) for rule in rules])


def _policy(rule: Rule | StackRule) -> Any:
    common = {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": pulumi_policy.EnforcementLevel.MANDATORY,
        "config_schema": pulumi_policy.PolicyConfigSchema(dict(rule.options)),
    }
    if isinstance(rule, Rule):
        return pulumi_policy.ResourceValidationPolicy(validate=_on_each(rule), **common)
    return pulumi_policy.StackValidationPolicy(validate=_on_all(rule), **common)


def _on_each(rule: Rule) -> Any:
    def validate(args: Any, report: Any) -> None:
        if rule.types(args.resource_type):
            seen = Seen(args.urn, args.resource_type, _plain(args.props))
            for line in rule.violations(seen, args.get_config()):
                report(line)

    return validate


def _on_all(rule: StackRule) -> Any:
    def validate(args: Any, report: Any) -> None:
        stack = [Seen(each.urn, each.resource_type, _plain(each.props)) for each in args.resources]
        for seen, line in rule.violations(stack, args.get_config()):
            report(line, seen.urn)

    return validate


def _plain(value: Any) -> Any:
    """The SDK's proxies as dicts and lists; they raise where a value is not known yet."""
    if isinstance(value, Mapping):
        plain = {key: _item(value, key) for key in value}
        return _secret(plain[_MARK]) if set(plain) == {_MARK} else plain
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(holder: Any, key: Any) -> Any:
    try:
        return _plain(holder[key])
    except UnknownValueError:
        return Unknown()


def _secret(value: Any) -> Secret | Unknown:
    return value if isinstance(value, Unknown) else Secret(value)


def _hide_secrets() -> None:
    """Have the SDK say which values are secret.

    It unwraps them, so that a rule could neither tell a secret output from a plain one nor be
    kept from showing it.
    """
    sdk = pulumi_policy.policy
    unwrapping = sdk.deserialize_properties

    def hiding(props: Any, proxy_secrets: bool = False) -> Any:
        return unwrapping(props if proxy_secrets else _marked(props), proxy_secrets)

    sdk.deserialize_properties = hiding


def _marked(value: Any) -> Any:
    if isinstance(value, list):
        return [_marked(each) for each in value]
    if isinstance(value, dict):
        if value.get(deserialize.SPECIAL_SIG_KEY) == deserialize.SPECIAL_SECRET_SIG:
            return {_MARK: value.get("value")}
        return {key: _marked(each) for key, each in value.items()}
    return value
