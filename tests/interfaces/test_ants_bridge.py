"""antspyx is imported without the parts that draw and learn."""

import subprocess
import sys

CODE = """
import sys
from myelosynth.interfaces.ants_bridge import load_ants
ants = load_ants()
print(*(name for name in ("matplotlib", "sklearn") if name in sys.modules))
print(*(name for name in ("registration", "n4_bias_field_correction", "smooth_image") if not hasattr(ants, name)))
import ants.plotting
print(ants.plotting.plot_hist.__name__)
"""


def test_what_no_job_calls_is_not_imported_but_can_be():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["", "", "plot_hist"]
