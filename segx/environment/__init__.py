"""What this machine is, and what it is good at; torch is imported only when asked."""

from segx.environment.device import (
    Precision,
    bf16_support,
    choose_device,
    choose_precision,
)
from segx.environment.machine import (
    Machine,
    describe_machine,
    usable_cores,
    usable_memory,
)
from segx.environment.packages import (
    Extra,
    Package,
    advise,
    explain_import_error,
    import_problems,
    install_command,
    read_extras,
    read_packages,
)

__all__ = [
    "Extra",
    "Machine",
    "Package",
    "Precision",
    "advise",
    "bf16_support",
    "choose_device",
    "choose_precision",
    "describe_machine",
    "explain_import_error",
    "import_problems",
    "install_command",
    "read_extras",
    "read_packages",
    "usable_cores",
    "usable_memory",
]
