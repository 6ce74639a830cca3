"""Faults that the gateway can play, one file each. fault.py says what a fault is."""

from __future__ import annotations

from hil.gateway.faults.fault import ArmedFault, Armory, Fault
from hil.gateway.faults.present_certificate import PresentCertificate
from hil.gateway.faults.refuse_connect import RefuseConnect

__all__ = ["ArmedFault", "Armory", "Fault", "PresentCertificate", "RefuseConnect"]
