# SPDX-License-Identifier: Apache-2.0
"""Out of band: firmware behind management controllers (BMCs) that speak DMTF Redfish."""
