"""Installs the Python package with pip; settings are in setup.cfg (colcon uses CMakeLists.txt)."""

from setuptools import setup

setup()
