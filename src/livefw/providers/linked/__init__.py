# SPDX-License-Identifier: Apache-2.0
"""Components of which the images come by a BMC and which are activated in band."""
