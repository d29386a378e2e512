"""What the tests of the cluster suite share: a cluster, slotdeck as a child, small projects. suite.py says how it is called."""
import base64, json, os, re, shutil, ssl, subprocess, sys, tempfile, time
import urllib.error, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.environ.get('SLOTDECK_BIN', os.path.join(ROOT, 'build/debug/slotdeck'))
BACKEND = sys.argv[1] if len(sys.argv) > 1 else 'sim'
GOLDEN = os.path.join(ROOT, 'tests/golden/render/ef00de8/input')
ENV_FILE = os.path.join(ROOT, 'tests/golden/render/env/full.env')
SKIP = ['--skip-infra', 'echo-probe,tls-issuer']
LIMIT = 120


class Cluster:
    """One API server: requests from the test's side, and the environment that slotdeck gets."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='slotdeck-cluster-')
        self.sim = self.proxy = None
        if BACKEND == 'sim':
            self.kubeconfig = os.path.join(self.folder, 'kubeconfig')
            self.sim = subprocess.Popen([BIN, 'sim', '--listen', '127.0.0.1:0', '--kubeconfig', self.kubeconfig, '--speed', '20',
                                         '--scenario', 'empty', '--until-eof'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.url = self.sim.stdout.readline().split()[1]
            self.control, self.context, self.token = self.url, None, None
        else:
            self.kubeconfig = os.environ['KUBECONFIG']
            text = open(self.kubeconfig).read()
            self.url = re.search(r'server: *"?([^"\s]+)', text).group(1)
            self.token = re.search(r'token: *"?([^"\s]+)', text).group(1)
            self.context = ssl.create_default_context()
            ca = re.search(r'certificate-authority-data: *"?([^"\s]+)', text)
            ca_file = re.search(r'certificate-authority: *"?([^"\s]+)', text)
            if ca:
                self.context.load_verify_locations(cadata=base64.b64decode(ca.group(1)).decode())
            else:
                self.context.load_verify_locations(os.path.join(os.path.dirname(self.kubeconfig), ca_file.group(1)))

    def close(self):
        for child in (self.proxy, self.sim):
            if not child:
                continue
            child.stdin.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kubeconfig_of(self, name, token):
        path = os.path.join(self.folder, name + '.kubeconfig')
        ca = ''.join(ssl.DER_cert_to_PEM_cert(der) for der in self.context.get_ca_certs(binary_form=True)) if self.context else ''
        cluster = {'server': self.url, **({'certificate-authority-data': base64.b64encode(ca.encode()).decode()} if ca else {})}
        with open(path, 'w') as f:
            json.dump({'apiVersion': 'v1', 'kind': 'Config', 'current-context': name, 'clusters': [{'name': name, 'cluster': cluster}],
                       'users': [{'name': name, 'user': {'token': token}}],
                       'contexts': [{'name': name, 'context': {'cluster': name, 'user': name}}]}, f)
        return path

    def of_somebody_without_rights(self):
        """A kubeconfig that is let in and may do nothing."""
        if self.sim:
            self.call('POST', '/_sim/deny', [{'token': 'nobody'}])
            return self.kubeconfig_of('nobody', 'nobody')
        self.ensure('/api/v1/namespaces/default/serviceaccounts', {'metadata': {'name': 'nobody'}})
        token = self.call('POST', '/api/v1/namespaces/default/serviceaccounts/nobody/token', {'spec': {}})[1]['status']['token']
        return self.kubeconfig_of('nobody', token)

    def of_somebody_who_may_only_look(self):
        """A kubeconfig as of the ClusterRole "view": it reads everything but Secrets and writes nothing."""
        if self.sim:
            self.call('POST', '/_sim/deny', [{'token': 'viewer', 'verb': verb} for verb in ('create', 'update', 'patch', 'delete')] +
                      [{'token': 'viewer', 'resource': 'secrets'}])
            return self.kubeconfig_of('viewer', 'viewer')
        return os.path.join(os.path.dirname(os.environ['KUBECONFIG']), 'readonly.kubeconfig')

    def watch_requests(self):
        """From now on what slotdeck asks is logged and can be paused: by the simulation, or by a proxy before the real server."""
        if self.sim or self.proxy:
            return
        ca = os.path.join(self.folder, 'ca.pem')
        with open(ca, 'w') as f:
            f.writelines(ssl.DER_cert_to_PEM_cert(der) for der in self.context.get_ca_certs(binary_form=True))
        self.kubeconfig = os.path.join(self.folder, 'kubeconfig')
        self.proxy = subprocess.Popen([os.path.join(ROOT, 'tests/fault/counting_proxy'), '--to', self.url, '--ca', ca, '--token', self.token,
                                       '--kubeconfig', self.kubeconfig], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.control = self.proxy.stdout.readline().split()[1]

    def call(self, method, path, body=None, content='application/json', accept=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request((self.control if path.startswith('/_sim/') else self.url) + path, data=data, method=method)
        if data is not None:
            request.add_header('Content-Type', content)
        if accept:
            request.add_header('Accept', accept)
        if self.token:
            request.add_header('Authorization', 'Bearer ' + self.token)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
                code, text = 200, answer.read().decode()
        except urllib.error.HTTPError as error:
            code, text = error.code, error.read().decode()
        try:
            return code, json.loads(text or '{}')
        except ValueError:
            return code, text

    def get(self, path):
        code, answer = self.call('GET', path)
        return answer if code == 200 else None

    def ensure(self, path, body):
        code, answer = self.call('POST', path, body)
        assert code in (200, 201, 409), (path, code, answer)

    def requests(self):
        """What slotdeck asked since watch_requests() or forget_requests()."""
        text = self.call('GET', '/_sim/requests')[1]
        lines = text.splitlines() if isinstance(text, str) else [json.dumps(text)]
        return [row for row in map(json.loads, lines) if row.get('userAgent', '').startswith('slotdeck/')]

    def writes(self, lease=False):
        """Those that could change something; the lease's only if asked for."""
        return [r for r in self.requests() if r['method'] != 'GET' and (lease or '/leases' not in r['path']) and
                'dryRun' not in (r.get('query') or '') and 'accessreview' not in r['path'] and 'subjectreview' not in r['path']]

    def forget_requests(self):
        self.call('DELETE', '/_sim/requests')

    def pause_request(self, number, when='after', **rule):
        """The number-th request of slotdeck from now on is never answered; it is executed if when is 'after'."""
        self.call('POST', '/_sim/faults', [{'userAgent': 'slotdeck/', 'from': number, 'count': 1, 'action': 'pause', 'when': when, **rule}])

    def wait_until_paused(self):
        return self.call('GET', '/_sim/paused')[0] == 200

    def objects(self):
        """Every object of the cluster but events, leases and measurements: "plural.group namespace/name" to the object."""
        found = {}
        for root in ('/api', '/apis'):
            groups = self.call('GET', root, accept='application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')[1]
            for group in groups['items']:
                name, version = group['metadata'].get('name', ''), group['versions'][0]
                for resource in version['resources']:
                    if 'list' not in resource['verbs'] or name == 'metrics.k8s.io' or resource['resource'] in ('events', 'leases', 'componentstatuses'):
                        continue
                    answer = self.get('%s/%s' % ('/'.join(filter(None, (root, name, version['version']))), resource['resource']))
                    for item in (answer or {'items': []})['items'] or []:
                        meta = item['metadata']
                        found['%s.%s %s/%s' % (resource['resource'], name, meta.get('namespace', ''), meta['name'])] = item
        return found


class Run:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def events(self, kind=None):
        rows = [json.loads(line) for line in self.out.splitlines() if line.startswith('{')]
        return [r for r in rows if kind is None or r['event'] == kind]

    def __repr__(self):
        return 'exit %s after %.1f s\n%s\n%s' % (self.code, self.seconds, self.out[-2500:], self.err[-2500:])


STATE = tempfile.TemporaryDirectory()  # histories of whoever runs the suite stay as they are


def environment(cluster, extra=None):
    env = {k: os.environ[k] for k in ('PATH', 'HOME', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS') if k in os.environ}
    env.update(KUBECONFIG=cluster.kubeconfig, LC_ALL='C.UTF-8', NO_COLOR='1', XDG_STATE_HOME=STATE.name)
    env.update(extra or {})
    return env


def slotdeck(cluster, folder, *args, env=None, limit=LIMIT):
    start = time.monotonic()
    done = subprocess.run([BIN, *args], cwd=folder, env=environment(cluster, env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit)
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def project(cluster, name, manifests, services_extra='', infra=''):
    """A small project in a folder of its own; its namespace is <name>-dev."""
    folder = tempfile.mkdtemp(prefix=name + '-', dir=cluster.folder)
    items = ''
    for item, text in manifests.items():
        with open(os.path.join(folder, item + '.yaml'), 'w') as f:
            f.write(text)
        items += '  - name: %s\n    manifests: [{path: %s.yaml}]\n' % (item, item)
    with open(os.path.join(folder, 'services.yaml'), 'w') as f:
        f.write('project: %s\nenvironments: {dev: {}, qa: {}}\n%sservices:\n%s%s' % (name, infra, items or '  []\n', services_extra))
    return folder


def config_map(name, **data):
    return 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata:\n%s' % (name, ''.join('  %s: "%s"\n' % kv for kv in data.items()) or '  {}\n')


def deployment(name, fault=None, image='example.test/web:1', replicas=1):
    labels = 'app: %s%s' % (name, ', testbed/fault: %s' % fault if fault else '')
    return ('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s}\nspec:\n  replicas: %d\n  selector: {matchLabels: {app: %s}}\n  template:\n'
            '    metadata: {labels: {%s}}\n    spec:\n      containers: [{name: %s, image: "%s"}]\n' % (name, replicas, name, labels, name, image))


def golden_env(project='project-example', claims=True):
    """full.env; with claims the pods want the claims that the project makes, not those that full.env names."""
    env = dict(line.rstrip('\n').split('=', 1) for line in open(ENV_FILE) if '=' in line)
    if claims:
        env.update({'CODEXCTL_%s_PVC' % k: '%s-%s' % (project, k.lower()) for k in ('DATA', 'REGISTRY', 'WORKSPACE')})
    return env


def golden_copy(cluster, project, *replacements):
    """The golden project under a name of its own, so that it has namespaces of its own; pairs of texts are replaced in services.yaml."""
    folder = os.path.join(cluster.folder, project)
    for root, _, files in os.walk(GOLDEN):
        target = os.path.join(folder, os.path.relpath(root, GOLDEN))
        os.makedirs(target, exist_ok=True)
        for name in files:
            text = open(os.path.join(root, name)).read().replace('project-example', project)
            for old, new in replacements if name == 'services.yaml' else ():
                assert old in text, old
                text = text.replace(old, new)
            open(os.path.join(target, name), 'w').write(text)
    return folder


def golden_cluster(cluster):
    for name in ('fast', 'slow', 'shared'):
        cluster.ensure('/apis/storage.k8s.io/v1/storageclasses', {'metadata': {'name': name}, 'provisioner': 'testbed/hostpath'})
    cluster.ensure('/apis/networking.k8s.io/v1/ingressclasses', {'metadata': {'name': 'nginx'}, 'spec': {'controller': 'example.test/nginx'}})
    cluster.ensure('/api/v1/namespaces', {'metadata': {'name': 'codex-system'}})


def difference(now, wanted):
    return [(k, now.get(k), wanted.get(k)) for k in sorted(set(now) | set(wanted)) if now.get(k) != wanted.get(k)]


def cert_manager_crd(plural, kind, scope):
    """A definition of one of cert-manager's kinds that takes any content."""
    schema = {'openAPIV3Schema': {'type': 'object', 'x-kubernetes-preserve-unknown-fields': True}}
    return {'metadata': {'name': plural + '.cert-manager.io'}, 'spec': {
        'group': 'cert-manager.io', 'scope': scope, 'names': {'plural': plural, 'singular': kind.lower(), 'kind': kind, 'listKind': kind + 'List'},
        'versions': [{'name': 'v1', 'served': True, 'storage': True, 'schema': schema}]}}


def wait_for_kind(cluster, path):
    """Until what a definition defined is served."""
    for _ in range(200):
        if cluster.get(path):
            return
        time.sleep(0.05)
    raise AssertionError('not served: ' + path)


def of_stack(objects, namespace):
    """Those in a namespace, and whatever else slotdeck applied for the same project and environment."""
    def key(item):
        labels = item['metadata'].get('labels', {})
        return [labels.get('slotdeck.dev/' + k) for k in ('project', 'env', 'slot')]

    inside = {k: v for k, v in objects.items() if v['metadata'].get('namespace') == namespace or k == 'namespaces. /' + namespace}
    keys = [key(v) for v in inside.values() if key(v)[0]]
    return {**inside, **{k: v for k, v in objects.items() if key(v)[0] and key(v) in keys}}


def versions(cluster, namespace):
    """Resource versions of all that nobody else's controller made. A CronJob's moves by itself with the clock: its generation, which is what we write."""
    return {k: str(v['metadata']['generation']) if k.startswith('cronjobs.') else v['metadata']['resourceVersion']
            for k, v in of_stack(cluster.objects(), namespace).items() if not v['metadata'].get('ownerReferences')}


def tests_of(module):
    """The tests among a module's names: functions whose only parameter is the cluster, c."""
    return [v for v in vars(module).values() if getattr(v, '__module__', None) == module.__name__ and hasattr(v, '__code__') and
            v.__code__.co_varnames[:v.__code__.co_argcount] == ('c',)]
