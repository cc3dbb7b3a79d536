# SPDX-License-Identifier: Apache-2.0
"""Live firmware activation on Linux.

The rooms, from the bottom of the house up; imports only go down:

``abi``         what crosses the wire: SMCCC registers, LFA calls, codes, GUIDs
``firmware``    what the firmware does: LFA agent, components, images (EL3)
``kernel``      what the operating system does: LFA driver and its sysfs tree (EL1)
``machine``     a machine put together: CPUs, notification line, faults, FUSE mount
                ---- the sysfs seam: from here up, only files ----
``providers``   the mechanisms an administrator meets
``activation``  the job: plan, check, run, verify, record (EL0)
``cli``         the command, a thin translator
"""

__version__ = "0.1.0"
