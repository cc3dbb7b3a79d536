# SPDX-License-Identifier: Apache-2.0
"""Interfaces as introspection XML: the one source of what can be called, with which types, and of the documents."""

from importlib import resources
from typing import NamedTuple
from xml.etree import ElementTree as ET

_HEADER = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)


class Method(NamedTuple):
    """A method and the types of what goes in and comes out."""

    name: str
    takes: str
    gives: str


class Interface(NamedTuple):
    """An interface: its methods, the types of its properties, the signatures of its signals, and the XML itself."""

    name: str
    methods: dict[str, Method]
    properties: dict[str, str]
    signals: dict[str, str]
    xml: str


def load(name: str, *, package: str = "livefw.dbus") -> Interface:
    """The interface of this name, from the folder ``interfaces`` of a package; its own has the standard ones."""
    text = resources.files(package).joinpath("interfaces", f"{name}.xml").read_text(encoding="utf-8")
    node = ET.fromstring(text).find("interface")  # noqa: S314 - our own file
    if node is None or node.get("name") != name:
        raise ValueError(f"{name}.xml does not describe {name}")
    methods = {
        each.attrib["name"]: Method(each.attrib["name"], _types(each, "in"), _types(each, "out"))
        for each in node.iter("method")
    }
    properties = {each.attrib["name"]: each.attrib["type"] for each in node.iter("property")}
    signals = {
        each.attrib["name"]: "".join(arg.attrib["type"] for arg in each.iter("arg")) for each in node.iter("signal")
    }
    return Interface(name, methods, properties, signals, ET.tostring(node, encoding="unicode"))


def document(interfaces: list[Interface], children: list[str]) -> str:
    """The XML of an object."""
    inner = "".join(each.xml for each in interfaces) + "".join(f'<node name="{child}"/>' for child in children)
    return f"{_HEADER}<node>{inner}</node>\n"


def _types(method: ET.Element, direction: str) -> str:
    return "".join(arg.attrib["type"] for arg in method.iter("arg") if arg.get("direction", "in") == direction)
