# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's event loop, for programs that ask through python3-libvirt."""
import atexit
import threading


def run_events():
    """libvirt's event loop, in a thread, for as long as the program runs. It must not end before the connections: one
    that was opened beside a loop which nobody runs answers no keepalive, and is cut off after half a minute without a
    call."""
    import libvirt
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(20, lambda *unused: None, None)
    ends = threading.Event()

    def loop():
        while not ends.is_set():
            libvirt.virEventRunDefaultImpl()
    thread = threading.Thread(target=loop, daemon=True)
    thread.start()

    # A callback into an interpreter that is being taken down would be a crash of the program.
    def end():
        ends.set()
        thread.join(10)
    atexit.register(end)
