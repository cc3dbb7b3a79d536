# SPDX-License-Identifier: Apache-2.0
"""AMD Seamless Firmware Servicing: firmware of the secure processor and of other microcontrollers."""
