"""`hil pem`: what each TLS stack makes of the certificates and keys in PEM files and sources, and their clean form.

    report = check([load(Path("constants.h")), load(Path("device.key"))])
    print([(finding.line, finding.column, finding.rule.name) for finding in report.findings])

The rules are declared in `rules`, found by `form` and `contents`. Nothing here ever shows key material.
"""

from hil.pem.check import Finding, PemError, Report, Source, check, fix, load
from hil.pem.rules import RULES, Level, Rule

__all__ = ["RULES", "Finding", "Level", "PemError", "Report", "Rule", "Source", "check", "fix", "load"]
