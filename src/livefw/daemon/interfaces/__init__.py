# SPDX-License-Identifier: Apache-2.0
"""What may be called on the bus: a description in XML, and the code that answers, for each interface."""
