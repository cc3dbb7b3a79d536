# SPDX-License-Identifier: Apache-2.0
"""A modelled NVMe subsystem: controllers, firmware slots and faults; over NVMe/TCP, or as Linux shows it in files."""
