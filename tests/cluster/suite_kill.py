"""The cluster suite's tests of kill -9: killed after any request and run again, apply ends in the state of an unbroken run."""
import concurrent.futures, copy
from harness import *

BY_CONTROLLERS = ('endpoints.', 'endpointslices.', 'pods.', 'replicasets.', 'persistentvolumes.')
CHOSEN_BY_SERVER = ('clusterIP', 'clusterIPs', 'volumeName', 'nodePort')
WITHOUT_WAIT = 20  # a dead owner's Lease may cost so many seconds


def bare(item, slot=None):
    """What an apply decides of an object: fields, labels, its generation, and what our manager owns. No times, no identities."""
    meta = item['metadata']
    rest = {k: v for k, v in copy.deepcopy(item).items() if k not in ('metadata', 'status')}
    for key in CHOSEN_BY_SERVER:
        rest.get('spec', {}).pop(key, None)
    for port in rest.get('spec', {}).get('ports') or []:
        port.pop('nodePort', None)
    annotations = {k: v for k, v in meta.get('annotations', {}).items() if not re.search(r'(^|\.)kubernetes\.io/', k)}
    owned = sorted(json.dumps({k: v for k, v in entry.items() if k != 'time'}, sort_keys=True)
                   for entry in meta.get('managedFields', []) if entry['manager'] == 'slotdeck')
    text = json.dumps([meta['name'], meta.get('labels'), annotations, meta.get('generation'), meta.get('finalizers'), rest, owned], sort_keys=True)
    return text.replace(slot, 'N') if slot else text


def state(c, namespace, slot=None):
    found = {}
    for key, item in of_stack(c.objects(), namespace).items():
        labels = item['metadata'].get('labels', {})
        made_here = labels.get('app.kubernetes.io/managed-by') == 'slotdeck' or 'slotdeck-inventory' in key
        if made_here and not key.startswith(BY_CONTROLLERS) and not item['metadata'].get('ownerReferences'):
            found[key.replace(slot, 'N') if slot else key] = bare(item, slot)
    return found


def start(c, folder, *args, env=None):
    return subprocess.Popen([BIN, *args], cwd=folder, env=environment(c, env), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def kill_after(c, number, folder, args, env):
    """Kills apply when the server has executed its number-th request, and runs it again; all on a cluster that counts requests."""
    c.pause_request(number)
    child = start(c, folder, *args, env=env)
    paused = c.wait_until_paused()
    alive = child.poll() is None
    child.kill()
    child.wait()
    assert paused and alive, 'request %d: paused %s, alive %s' % (number, paused, alive)
    again = slotdeck(c, folder, *args, env=env)
    assert again.code == 0 and again.seconds < WITHOUT_WAIT, (number, again)


def count(requests):
    """How many requests every run makes: a slow one renews its Lease besides."""
    renewals = [r for r in requests if r['method'] == 'PUT' and '/leases/' in r['path']][1:]
    return len(requests) - len(renewals)


def in_parallel(work, numbers):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in pool.map(work, numbers):
            pass


def with_cluster(work):
    def run(number):
        c = Cluster()
        try:
            c.watch_requests()
            work(c, number)
        finally:
            c.close()
    return run


# ---- on the simulation: after every single request, each time on a cluster of its own ----

def killed_after_each_request_the_golden_project_ends_as_in_an_unbroken_run(c):
    args, namespace, env = ['apply', '--env', 'ai-staging', *SKIP], 'project-example-ai-staging', golden_env()
    golden_cluster(c)
    whole = slotdeck(c, GOLDEN, *args, env=env)
    assert whole.code == 0, whole
    wanted, total = state(c, namespace), count(c.requests())
    assert len(wanted) > 50 and total > 60, (sorted(wanted), total)

    def broken(cluster, number):
        golden_cluster(cluster)
        kill_after(cluster, number, GOLDEN, args, env)
        now = state(cluster, namespace)
        assert now == wanted, (number, difference(now, wanted))

    in_parallel(with_cluster(broken), range(1, total + 1))


def killed_after_each_request_a_run_that_prunes_and_migrates_ends_as_an_unbroken_run(c):
    """The requests that the golden project has not: hooks between, client-side apply's fields, a prune."""
    manifests = {'a': config_map('a', k='v'), 'web': deployment('web'), 'old': config_map('old', x='y')}
    last = json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a', 'namespace': 'kill-dev'}, 'data': {'k': '1', 'gone': '2'}})
    args = ['apply', '--env', 'dev', '--prune']

    def prepare(cluster):
        folder = project(cluster, 'kill', {'old': manifests['old']})
        assert slotdeck(cluster, folder, *args).code == 0
        cluster.ensure('/api/v1/namespaces/kill-dev/configmaps?fieldManager=kubectl-client-side-apply',
                       {'metadata': {'name': 'a', 'annotations': {'kubectl.kubernetes.io/last-applied-configuration': last}}, 'data': {'k': '1', 'gone': '2'}})
        cluster.forget_requests()
        return project(cluster, 'kill', {'a': manifests['a'], 'web': manifests['web']}, services_extra='hooks: {beforeAll: [{run: "true"}], afterAll: [{run: "true"}]}\n')

    whole = slotdeck(c, prepare(c), *args)
    assert whole.code == 0, whole
    wanted, total = state(c, 'kill-dev'), count(c.requests())
    methods = {r['method'] for r in c.requests()}
    assert methods >= {'GET', 'PUT', 'PATCH', 'DELETE'}, methods
    assert 'configmaps. kill-dev/old' not in wanted and '"gone"' not in wanted['configmaps. kill-dev/a'], wanted

    def broken(cluster, number):
        kill_after(cluster, number, prepare(cluster), args, None)
        now = state(cluster, 'kill-dev')
        assert now == wanted, (number, difference(now, wanted))

    in_parallel(with_cluster(broken), range(1, total + 1))


# ---- on both: after every tenth, each time in a slot of its own ----

def killed_after_every_tenth_request_the_golden_slot_ends_as_in_an_unbroken_run(c):
    golden_cluster(c)
    c.watch_requests()
    args, env = ['apply', '--env', 'ai', *SKIP, '--no-hooks'], golden_env()
    c.forget_requests()
    whole = slotdeck(c, GOLDEN, *args, '--slot', '7100', env=env)
    assert whole.code == 0, whole
    wanted, total = state(c, 'project-example-dev-7100', '7100'), count(c.requests())
    assert len(wanted) > 20 and total > 40, (sorted(wanted), total)

    def broken(cluster, number):
        slot = str(7100 + number)
        golden_cluster(cluster)
        kill_after(cluster, number, GOLDEN, [*args, '--slot', slot], env)
        now = state(cluster, 'project-example-dev-' + slot, slot)
        assert now == wanted, (number, difference(now, wanted))

    in_parallel(with_cluster(broken), range(10, total + 1, 10))


# ---- what is known of it afterwards ----

def records(place):
    with open(place + '/slotdeck/history.jsonl') as lines:
        return [json.loads(line) for line in lines]


def changes(requests):
    return sorted('%s %s' % (r['method'], r['path']) for r in requests if r['method'] not in ('GET', 'POST') and '/leases' not in r['path'])


def an_apply_is_in_the_history_with_what_it_sent_and_stays_there_when_it_is_killed(c):
    with tempfile.TemporaryDirectory() as place:
        env, args = {'XDG_STATE_HOME': place}, ['apply', '--env', 'dev']
        folder = project(c, 'kept', {'a': config_map('a', k='v')})
        c.watch_requests()
        assert slotdeck(c, folder, *args, '--dry-run', env=env).code == 0
        assert not os.path.exists(place + '/slotdeck/history.jsonl')
        c.forget_requests()
        done = slotdeck(c, folder, *args, env=env)
        assert done.code == 0, done
        begun, ended = records(place)
        assert begun['id'] == ended['id'] and begun['state'] == 'begun' and ended['state'] == 'done', (begun, ended)
        assert begun['requests'] == ['PATCH /api/v1/namespaces/kept-dev/configmaps/a'], begun
        assert ended['action'] == 'apply' and ended['namespace'] == 'kept-dev' and ended['command'] == 'slotdeck apply --env dev', ended
        assert '@' in ended['who'] and ended['message'], ended
        sent = sorted(r.split('?')[0] for r in ended['requests'] if not r.startswith('POST'))
        assert sent == [r.split('?')[0] for r in changes(c.requests())], (sent, c.requests())
        folder = project(c, 'kept', {'a': config_map('a', k='w')})
        c.forget_requests()
        c.pause_request(8)
        child = start(c, folder, *args, env=env)
        assert c.wait_until_paused()
        child.kill()
        child.wait()
        assert [r['state'] for r in records(place)][2:] == ['begun'], records(place)


SIM_ONLY = [an_apply_is_in_the_history_with_what_it_sent_and_stays_there_when_it_is_killed,
            killed_after_each_request_the_golden_project_ends_as_in_an_unbroken_run,
            killed_after_each_request_a_run_that_prunes_and_migrates_ends_as_an_unbroken_run]
