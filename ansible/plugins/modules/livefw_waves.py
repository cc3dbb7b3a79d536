#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Divide hosts into waves."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: livefw_waves
short_description: Divide hosts into the waves of a roll-out
version_added: 0.1.0
description:
  - Computes in which wave each host gets its turn. No wave has more hosts than its size, and none has two hosts of one
    failure domain. Runs on the controller, needs no C(livefw), and changes nothing.
  - Each host is put into the first wave that is not full and comes after every wave with a host of one of its domains.
    The order of the hosts is kept otherwise, so that the same hosts give the same waves.

options:
  hosts:
    description:
      - Names of the hosts, in their order.
    type: list
    elements: str
    required: true
  sizes:
    description:
      - How many hosts are in each wave at most, as a number or as a percentage of all hosts. Percentages are rounded
        down, but to no less than one host, and are 50% at most. The last size is repeated until each host is in a wave.
    type: list
    elements: str
    default: ["1", "5", "10%", "25%"]
  domains:
    description:
      - The failure domains of each host, by its name. That is one name, or a list of names, such as of its rack and of
        its redundancy group.
    type: dict
    default: {}
  first:
    description:
      - Hosts that come before all others.
    type: list
    elements: str
    default: []
  without_domain:
    description:
      - Whether there can be hosts without a domain where others have one. By default they are taken for forgotten.
    type: bool
    default: false
author:
  - The livefw authors (@livefw)
attributes:
  check_mode:
    description: Can run in check_mode and return the changed status without modifying the machine.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Divide four hosts in two racks into waves
  livefw.fleet.livefw_waves:
    hosts: [node1, node2, node3, node4]
    domains:
      node1: rack-a
      node2: rack-a
      node3: rack-b
      node4: rack-b
  delegate_to: localhost
  run_once: true
  register: divided
"""

RETURN = r"""
waves:
  description: The hosts of each wave, in their order.
  returned: success
  type: list
  elements: list
  sample: [[node1], [node2, node3], [node4]]
sizes:
  description: How many hosts are in each wave, as C(serial) takes it.
  returned: success
  type: list
  elements: int
  sample: [1, 2, 1]
wave_of:
  description: The number of the wave of each host, counted from 0.
  returned: success
  type: dict
  sample: {node1: 0, node2: 1, node3: 1, node4: 2}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.livefw.fleet.plugins.module_utils._waves import SIZES, WaveError, waves_of


def main():
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "sizes": {"type": "list", "elements": "str", "default": [str(size) for size in SIZES]},
            "domains": {"type": "dict", "default": {}},
            "first": {"type": "list", "elements": "str", "default": []},
            "without_domain": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = dict(module.params)
    try:
        waves = waves_of(params.pop("hosts"), **params)
    except WaveError as error:
        module.fail_json(msg=str(error))
    wave_of = {host: number for number, wave in enumerate(waves) for host in wave}
    module.exit_json(changed=False, waves=waves, sizes=[len(wave) for wave in waves], wave_of=wave_of)


if __name__ == "__main__":
    main()
