"""The cluster suite's tests of what goes wrong: signals, a lost lease, a server that fails, processes that are killed."""
import signal
from harness import *


def start(c, folder, *args, env=None):
    return subprocess.Popen([BIN, *args], cwd=folder, env=environment(c, env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def end(child, limit=60):
    """As slotdeck() gives it."""
    begun = time.monotonic()
    out, err = child.communicate(timeout=limit)
    return Run(child.returncode, out, err, time.monotonic() - begun)


def changes(run):
    return {e['object']['name']: e['change'] for e in run.events('object')}


# ---- signals ----

def a_signal_amid_the_writes_tells_what_is_done_what_is_not_and_what_nobody_knows(c):
    c.watch_requests()
    for when, executed in (('before', False), ('after', True)):
        name = 'told' + when
        folder = project(c, name, {'a': config_map('a', k='v'), 'b': config_map('b', k='v'), 'c': config_map('c', k='v'), 'web': deployment('web')})
        c.pause_request(1, when, method='PATCH', path='%s-dev/configmaps/b' % name)
        child = start(c, folder, 'apply', '--env', 'dev', '--parallel', '1', '--output', 'jsonl')
        assert c.wait_until_paused()
        child.send_signal(signal.SIGTERM)
        run = end(child)
        assert run.code == 143 and run.seconds < 5, run
        assert changes(run) == {'a': 'created', 'b': 'unknown', 'c': 'skipped', 'web': 'skipped'}, run
        last = run.events('finished')[0]
        assert last['counts'] == {'created': 1, 'unknown': 1, 'skipped': 2} and '1 unknown, 2 not reached' in last['text'], last
        there = [n for n in 'abc' if c.get('/api/v1/namespaces/%s-dev/configmaps/%s' % (name, n))]
        assert there == ['a', 'b'] if executed else ['a'], there
        lease = c.get('/apis/coordination.k8s.io/v1/namespaces/%s-dev/leases/slotdeck-%s-dev' % (name, name))
        assert not lease['spec'].get('holderIdentity'), lease


def the_lease_is_given_back_although_a_renewal_was_cut_off(c):
    c.watch_requests()
    folder = project(c, 'renewal', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{run: "sleep 60"}]}\n')
    c.pause_request(1, method='PUT', path='leases/slotdeck-renewal-dev')
    child = start(c, folder, 'apply', '--env', 'dev')
    assert c.wait_until_paused()
    child.send_signal(signal.SIGTERM)
    run = end(child)
    assert run.code == 143 and run.seconds < 5, run
    lease = c.get('/apis/coordination.k8s.io/v1/namespaces/renewal-dev/leases/slotdeck-renewal-dev')
    assert lease['spec']['holderIdentity'] == '', lease


# ---- on the simulation only ----

def what_is_on_its_way_when_the_signal_comes_may_end(c):
    folder = project(c, 'ontheway', {'a': config_map('a', k='v'), 'b': config_map('b', k='v')})
    c.call('POST', '/_sim/faults', [{'method': 'PATCH', 'path': 'configmaps/a', 'action': 'delay', 'ms': 1000}])
    child = start(c, folder, 'apply', '--env', 'dev', '--parallel', '1', '--output', 'jsonl')
    while not [r for r in c.requests() if r['method'] == 'PATCH' and r['path'].endswith('configmaps/a')]:
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    run = end(child)
    assert run.code == 130 and changes(run)['a'] == 'created' and changes(run)['b'] == 'skipped', run


def who_loses_the_lease_writes_nothing_more(c):
    folder = project(c, 'lost', {'a': config_map('a', k='v'), 'b': config_map('b', k='v')})
    c.call('POST', '/_sim/faults', [{'method': 'PATCH', 'path': 'configmaps/a', 'action': 'delay', 'ms': 6000}])
    child = start(c, folder, 'apply', '--env', 'dev', '--parallel', '1', '--output', 'jsonl')
    while not [r for r in c.requests() if r['method'] == 'PATCH' and r['path'].endswith('configmaps/a')]:
        assert child.poll() is None
    path = '/apis/coordination.k8s.io/v1/namespaces/lost-dev/leases/slotdeck-lost-dev'
    code, _ = c.call('PATCH', path, {'spec': {'holderIdentity': 'a thief'}}, 'application/merge-patch+json')
    assert code == 200
    run = end(child)
    assert run.code in (6, 7) and 'taken by another' in run.out, run
    assert changes(run)['b'] == 'skipped' and not c.get('/api/v1/namespaces/lost-dev/configmaps/b'), run
    assert c.get(path)['spec']['holderIdentity'] == 'a thief'


SIM_ONLY = [what_is_on_its_way_when_the_signal_comes_may_end, who_loses_the_lease_writes_nothing_more]
