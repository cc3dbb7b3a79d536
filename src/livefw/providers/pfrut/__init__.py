# SPDX-License-Identifier: Apache-2.0
"""Platform Firmware Runtime Update: Management Mode code of an x86 machine, through an ACPI device."""
