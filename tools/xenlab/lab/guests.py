# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small guests to start in a lab."""

from pathlib import Path

HERE = Path(__file__).resolve().parent.parent / "guests"
MODULES = HERE / "modules"


def files(base):
    """What goes into /srv/guests of dom0: (name, bytes, mode)."""
    return []
