"""What `help` and notebooks show of a call."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, Final, get_args, get_type_hints


class _LeftOut:
    """The default of an option: it is not sent."""

    def __repr__(self) -> str:
        return "…"


LEFT_OUT: Final = _LeftOut()


def shown(call: Callable[..., Any], within: Any = None) -> Signature:
    """The call's signature, its options one by one, and what it gives instead of the flow that leads there.

    `within` is the generic type that gives the entries of a listing.
    """
    told = signature(call)
    parameters: list[Parameter] = []
    for parameter in told.parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            [options] = get_args(parameter.annotation)
            parameters.extend(
                Parameter(name, Parameter.KEYWORD_ONLY, default=LEFT_OUT, annotation=kind)
                for name, kind in get_type_hints(options).items()
            )
        else:
            parameters.append(parameter)
    *_, answer = get_args(told.return_annotation)
    return Signature(parameters, return_annotation=answer if within is None else within[answer])
