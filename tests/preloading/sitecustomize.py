"""On the path of fleets in tests with FLEET_TEST_PRELOAD=1: their controllers behave as if `preload = true`."""

import sys

if "fleet.controller" in sys.orig_argv:
    from dataclasses import replace

    from fleet.controller.apply import apply

    asked = apply.preload_command
    apply.preload_command = lambda spec, edition: asked(replace(spec, preload=True), edition)
