"""The cluster suite's tests of what goes wrong: signals, a lost lease, a server that fails, processes that are killed."""
import concurrent.futures, signal, socket
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


# ---- a server that fails, on the simulation, over both protocols ----

class Front:
    """What stands between slotdeck and the simulation: tests/fault/proxy, and for HTTP/2 nghttpx with TLS behind it."""

    def __init__(self, c, http2, expired=False):
        self.c, self.children, self.log = c, [], None
        port, scheme, ca = c.url.rsplit(':', 1)[1], 'http', None
        if http2:
            port, ca = self.start_nghttpx(port, expired)
            scheme = 'https'
        self.proxy = self.child([os.path.join(ROOT, 'tests/fault/proxy'), '--to', '127.0.0.1:' + port, '--with-stdin'])
        listen, control = (self.proxy.stdout.readline().split()[1] for _ in range(2))
        self.control = socket.create_connection(('127.0.0.1', int(control))).makefile('rw')
        self.url = '%s://127.0.0.1:%s' % (scheme, listen)
        self.kubeconfig = self.write_kubeconfig({}, ca)
        self.ca = ca

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for child in self.children:
            child.stdin.close()
            child.terminate()
            child.wait()
        self.control.close()
        if self.log and kind is None:
            spoken = open(self.log).read().split()
            assert spoken and set(spoken) == {'h2'}, set(spoken)

    def child(self, argv):
        self.children.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        return self.children[-1]

    def start_nghttpx(self, backend, expired):
        key, cert, ca = certificates(self.c.folder, expired)
        self.log = None if expired else os.path.join(self.c.folder, 'nghttpx.log')
        program = shutil.which('nghttpx', path=os.environ.get('PATH', '') + ':/usr/sbin')
        assert program, 'nghttpx is not installed (Debian: nghttp2-proxy)'
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind(('127.0.0.1', 0))
                port = str(probe.getsockname()[1])
            child = self.child([program, '--conf=/dev/null', '--frontend=127.0.0.1,' + port, '--backend=127.0.0.1,' + backend, '--single-process',
                                '--no-ocsp', '--errorlog-file=/dev/null', '--accesslog-file=' + (self.log or '/dev/null'),
                                '--accesslog-format=$alpn', key, cert])
            while child.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(('127.0.0.1', int(port))) == 0:
                        return port, ca
                time.sleep(0.01)
        raise AssertionError('nghttpx does not start')

    def write_kubeconfig(self, user, ca):
        path = os.path.join(self.c.folder, 'front.kubeconfig')
        cluster = {'server': self.url, **({'certificate-authority': ca} if ca else {})}
        with open(path, 'w') as f:
            json.dump({'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'f', 'clusters': [{'name': 'f', 'cluster': cluster}],
                       'users': [{'name': 'f', 'user': user}], 'contexts': [{'name': 'f', 'context': {'cluster': 'f', 'user': 'f'}}]}, f)
        return path

    def tell(self, command):
        self.control.write(command + '\n')
        self.control.flush()
        answer = self.control.readline()
        assert answer.startswith('ok'), (command, answer)


def certificates(folder, expired):
    """Key, certificate of 127.0.0.1 and the authority's: files."""
    def openssl(*args):
        subprocess.run(['openssl', *args], cwd=folder, check=True, capture_output=True)

    new = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    openssl('req', '-x509', *new, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
    openssl('req', *new, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1')
    openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-copy_extensions', 'copy', '-days', '-1' if expired else '2',
            '-out', 'server.pem')
    return [os.path.join(folder, name) for name in ('server.key', 'server.pem', 'ca.pem')]


# Where apply asks, and what an error that stops there must name.
PHASES = {
    'discovery': ({'method': 'GET', 'path': '^/apis?(\\?|$)'}, 'kinds the server has'),
    'namespace': ({'method': 'GET', 'path': '/namespaces/%s$'}, 'namespace'),
    'lease': ({'path': '/%s/leases/'}, 'lease'),
    'inventory': ({'path': '/%s/configmaps/slotdeck-inventory'}, 'slotdeck-inventory'),
    'look': ({'method': 'GET', 'path': '/%s/configmaps/a'}, 'configmap'),
    'write': ({'method': 'PATCH', 'path': '/%s/configmaps/a'}, 'configmap'),
    'wait': ({'method': 'GET', 'path': '/%s/deployments\\?'}, 'deployment'),
}
# What the server does for a while (survived), and for good (told, with one of these exit codes).
PASSING = {
    'answers 503 with retry after twice': {'count': 2, 'status': 503, 'retryAfter': '0'},
    'answers 429 twice': {'count': 2, 'status': 429, 'retryAfter': '0'},
    'answers 500 once': {'count': 1, 'status': 500, 'retryAfter': '0'},
    'resets a connection': {'count': 1, 'action': 'reset'},
    'closes a connection unanswered': {'count': 1, 'action': 'close'},
    'closes a connection after the work': {'count': 1, 'action': 'close', 'when': 'after'},
    'cuts an answer': {'count': 1, 'action': 'cut', 'at': 20},
    'is slow': {'count': 3, 'action': 'delay', 'ms': 400},
}
LASTING = {
    'answers 503 for ever': {'status': 503},
    'never answers': {'action': 'hang'},
    'resets every connection': {'action': 'reset'},
    'cuts every answer': {'action': 'cut', 'at': 20},
    'sends what is no http': {'action': 'garbage'},
    'sends truncated json': {'action': 'garbage', 'body': '{"kind":"Status","metadata":{'},
    'sends garbage for json': {'action': 'garbage', 'body': '<html>login</html>'},
}


def run_phases(c, front, fault, judge, limits=False):
    """One apply for each phase, all at once, each with a namespace of its own; that of discovery comes last, and alone."""
    def one(phase):
        folder = project(c, phase, {'a': config_map('a', k='v'), 'web': deployment('web')})
        if phase == 'look':  # into a namespace that it made itself an apply looks not
            c.ensure('/api/v1/namespaces', {'metadata': {'name': 'look-dev'}})
        args = [] if not limits else ['--wait-timeout', '2s'] if phase == 'wait' else ['--timeout', '4s']
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s', '--kubeconfig', front.kubeconfig, *args, limit=60)
        judge(phase, run)

    def rule(phase):
        where = dict(PHASES[phase][0])
        where['path'] = where['path'].replace('%s', phase + '-dev')
        return {**fault, **where}

    others = [p for p in PHASES if p != 'discovery']
    for phases in (others, ['discovery']):
        c.call('POST', '/_sim/faults', [rule(p) for p in phases])
        c.forget_requests()
        with concurrent.futures.ThreadPoolExecutor(len(phases)) as pool:
            list(pool.map(one, phases))
        struck = [r['path'] + '?' + r['query'] for r in c.requests() if r.get('fault')]
        missed = [p for p in phases if not any(re.search(rule(p)['path'].replace('$', r'\?'), path) for path in struck)]
        assert not missed, (missed, struck)


def survives(fault, http2):
    def test(c):
        def judge(phase, run):
            assert run.code == 0, (phase, run)

        with Front(c, http2) as front:
            run_phases(c, front, fault, judge)
    return test


def tells(fault, http2):
    def test(c):
        def judge(phase, run):
            assert run.code in (1, 5, 6) and run.seconds < 20, (phase, run)
            assert run.code != 6 or phase == 'write', (phase, run)
            assert PHASES[phase][1] in (run.out + run.err).lower(), (phase, run)

        with Front(c, http2) as front:
            run_phases(c, front, fault, judge, limits=True)
    return test


def over_both(test):
    """Two tests: test(c, http2) over HTTP/1.1 and over HTTP/2."""
    def variant(http2):
        def run(c):
            test(c, http2)
        run.__name__ = '%s_over_http%s' % (test.__name__, '2' if http2 else '1')
        return run
    return [variant(False), variant(True)]


def at_a_hook(name):
    """A hook that says that it runs, and ends when it is told to: files "at" and "go" of the project."""
    return '%s: [{run: "touch at; until [ -e go ]; do sleep 0.05; done"}]' % name


def wait_for_hook(folder, child):
    while not os.path.exists(os.path.join(folder, 'at')):
        assert child.poll() is None, end(child)
        time.sleep(0.02)


def end_hook(folder):
    open(os.path.join(folder, 'go'), 'w').close()


def a_server_that_dies_amid_the_writes_is_told(c, http2):
    folder = project(c, 'dies', {'a': config_map('a', k='v'), 'b': config_map('b', k='v'), 'web': deployment('web')})
    with Front(c, http2) as front:
        c.call('POST', '/_sim/faults', [{'method': 'PATCH', 'path': 'configmaps/a', 'action': 'die'}])
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--timeout', '5s', '--output', 'jsonl', '--kubeconfig', front.kubeconfig)
    c.sim.wait(10)
    told = changes(run)
    assert run.code in (5, 6 if told['b'] == 'created' else 1) and run.seconds < 14 and told['web'] == 'skipped', run
    assert told['a'] in ('failed', 'unknown') and told['b'] in ('failed', 'unknown', 'created'), run


def a_server_that_is_gone_for_a_while_is_outlasted(c, http2):
    folder = project(c, 'gone', {'a': config_map('a', k='v'), 'web': deployment('web')}, services_extra='hooks: {%s}\n' % at_a_hook('beforeAll'))
    with Front(c, http2) as front:
        child = start(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s', '--kubeconfig', front.kubeconfig)
        wait_for_hook(folder, child)
        front.tell('refuse on')
        front.tell('reset')
        end_hook(folder)
        time.sleep(2)  # so long is it gone
        front.tell('refuse off')
        run = end(child)
    assert run.code == 0, run


def a_connection_that_freezes_half_open_and_thaws_is_outlasted(c, http2):
    """Longer than the lease may go without renewal: it is found to be ours still."""
    folder = project(c, 'thaws', {'a': config_map('a', k='v'), 'web': deployment('web')}, services_extra='hooks: {%s}\n' % at_a_hook('beforeAll'))
    with Front(c, http2) as front:
        child = start(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s', '--kubeconfig', front.kubeconfig)
        wait_for_hook(folder, child)
        front.tell('freeze')
        time.sleep(11)
        end_hook(folder)
        time.sleep(1)
        front.tell('thaw')
        run = end(child)
    assert run.code == 0, run


def a_connection_that_freezes_half_open_for_good_is_told(c, http2):
    folder = project(c, 'frozen', {'a': config_map('a', k='v'), 'web': deployment('web')}, services_extra='hooks: {%s}\n' % at_a_hook('beforeAll'))
    with Front(c, http2) as front:
        child = start(c, folder, 'apply', '--env', 'dev', '--timeout', '9s', '--kubeconfig', front.kubeconfig)
        wait_for_hook(folder, child)
        front.tell('freeze')
        end_hook(folder)
        run = end(child)
        assert run.code == 5 and run.seconds < 20 and 'slotdeck-inventory-frozen-dev' in run.err, run
        front.tell('thaw')
        front.tell('reset')


def a_connection_that_freezes_amid_the_wait_is_told(c, http2):
    folder = project(c, 'waits', {'web': deployment('web', 'unready')}, services_extra='hooks: {%s}\n' % at_a_hook('afterAll'))
    with Front(c, http2) as front:
        child = start(c, folder, 'apply', '--env', 'dev', '--wait', '--wait-timeout', '3s', '--kubeconfig', front.kubeconfig)
        wait_for_hook(folder, child)
        front.tell('freeze')
        end_hook(folder)
        run = end(child)
        assert run.code == 5 and run.seconds < 12 and 'Deployment web' in run.err, run
        front.tell('thaw')
        front.tell('reset')


def a_token_that_rotates_amid_the_run_is_read_again(c, http2):
    folder = project(c, 'rotates', {'a': config_map('a', k='v'), 'web': deployment('web')}, services_extra='hooks: {%s}\n' % at_a_hook('beforeAll'))
    with Front(c, http2) as front:
        token = os.path.join(c.folder, 'token')
        kubeconfig = front.write_kubeconfig({'tokenFile': token}, front.ca)
        put_token(c, token, 'first')
        child = start(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s', '--kubeconfig', kubeconfig)
        wait_for_hook(folder, child)
        put_token(c, token, 'second')
        end_hook(folder)
        run = end(child)
    c.call('POST', '/_sim/deny', {'requireToken': []})
    assert run.code == 0, run
    assert [r for r in c.requests() if r.get('status') == 401], 'the old token was never refused'


def put_token(c, path, token):
    """As a kubelet does it: the file is replaced, and the server takes the new token only."""
    with open(path + '.new', 'w') as f:
        f.write(token)
    os.rename(path + '.new', path)
    c.call('POST', '/_sim/deny', {'requireToken': [token]})


def a_token_that_expires_amid_the_run_ends_with_4(c, http2):
    folder = project(c, 'expires', {'a': config_map('a', k='v')}, services_extra='hooks: {%s}\n' % at_a_hook('beforeAll'))
    with Front(c, http2) as front:
        kubeconfig = front.write_kubeconfig({'token': 'first-token'}, front.ca)
        c.call('POST', '/_sim/deny', {'requireToken': ['first-token']})
        child = start(c, folder, 'apply', '--env', 'dev', '--kubeconfig', kubeconfig)
        wait_for_hook(folder, child)
        c.call('POST', '/_sim/deny', {'requireToken': ['another']})
        end_hook(folder)
        run = end(child)
    assert run.code == 4 and 'Unauthorized' in run.err and 'slotdeck-inventory-expires-dev' in run.err, run


def an_expired_certificate_is_told_with_its_date(c):
    folder = project(c, 'cert', {'a': config_map('a', k='v')})
    with Front(c, http2=True, expired=True) as front:
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--timeout', '10s', '--kubeconfig', front.kubeconfig)
    assert run.code == 1 and 'expired' in run.err and time.strftime('%Y') in run.err and run.seconds < 5, run


SPECIAL = [variant for test in (a_server_that_dies_amid_the_writes_is_told, a_server_that_is_gone_for_a_while_is_outlasted,
                                a_connection_that_freezes_half_open_and_thaws_is_outlasted, a_connection_that_freezes_half_open_for_good_is_told,
                                a_connection_that_freezes_amid_the_wait_is_told, a_token_that_rotates_amid_the_run_is_read_again,
                                a_token_that_expires_amid_the_run_ends_with_4)
           for variant in over_both(test)]


def make_table():
    for faults, verb, make in ((PASSING, 'is survived', survives), (LASTING, 'is told', tells)):
        for what, fault in faults.items():
            for http2 in (False, True):
                test = make(fault, http2)
                test.__name__ = ('a server that %s %s over http%s' % (what, verb, '2' if http2 else '1')).replace(' ', '_')
                yield test


SIM_ONLY = [what_is_on_its_way_when_the_signal_comes_may_end, who_loses_the_lease_writes_nothing_more, an_expired_certificate_is_told_with_its_date,
            *SPECIAL, *make_table()]
