# SPDX-License-Identifier: Apache-2.0
"""A modelled management controller: Redfish resources, tasks that progress, and what can go wrong."""
