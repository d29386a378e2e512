"""The cluster suite's tests of hooks: each built-in action through `slotdeck apply`."""
from harness import *


def a_hook_sleeps_for_its_duration_and_not_beyond_its_timeout(c):
    folder = project(c, 'hsleep', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{use: sleep, with: {duration: 1200ms}}]}\n')
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0 and run.seconds > 1.2, run
    folder = project(c, 'hsleep', {'a': config_map('a', k='v')},
                     services_extra='hooks: {beforeAll: [{use: sleep, timeout: 300ms, with: {duration: 30s}}]}\n')
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 5 and run.seconds < 10 and 'services.yaml:' in run.err and '300ms' in run.err, run


SIM_ONLY = []
