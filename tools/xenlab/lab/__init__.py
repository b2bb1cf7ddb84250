# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenlab: real Xen hosts inside QEMU."""
