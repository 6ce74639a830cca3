"""`hil doctor`: checks all of a bench's parts before a run does, and says what to do about each fault.

    for finding in examine(Case(rig, boards)):
        print(finding.level, finding.about, finding.found, finding.cure)

Looking changes nothing: no board is reset, no power is switched, no serial port is opened (which would raise DTR). What
only a board can tell is measured where an option asks for it; docs/doctor.md lists every check.
"""

from hil.doctor.check import Case, Check
from hil.doctor.checks import CHECKS, examine, markdown
from hil.doctor.finding import Finding

__all__ = ["CHECKS", "Case", "Check", "Finding", "examine", "markdown"]
