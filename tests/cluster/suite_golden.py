"""The cluster suite's tests of the golden project that want more than its objects: its hooks, a public site, claims that nobody makes."""
import http.server, os, socket, subprocess, threading

from harness import *
from suite_hooks import certificate, secret, tls_secret

SHARED = 'cluster-dns,telegram-approver,telegram-executor,mcp-secrets-postgres-k8s,mcp-github-review'  # outside of the project's namespace


# ---- echo-probe, with a stand-in for the public site ----

class Site:
    """An ingress controller on ports of its own: answers "ok" for a host and path that an Ingress leads to a Deployment with a ready pod."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace, self.asked = cluster, namespace, []
        self.http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), self.handler())
        self.https = socket.create_server(('127.0.0.1', 0))
        self.ports = self.http.server_port, self.https.getsockname()[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.https.close()

    def status(self, host, path):
        for ingress in self.cluster.get('/apis/networking.k8s.io/v1/namespaces/%s/ingresses' % self.namespace)['items']:
            for rule in ingress['spec']['rules']:
                for route in rule['http']['paths']:
                    if rule['host'] == host and path.startswith(route['path']):
                        name = route['backend']['service']['name']
                        served = self.cluster.get('/apis/apps/v1/namespaces/%s/deployments/%s' % (self.namespace, name))
                        return 200 if served and served['status'].get('readyReplicas') else 503
        return 404

    def handler(site):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status = site.status(self.headers['Host'], self.path)
                site.asked.append((self.headers['Host'], self.path, status))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b'ok\n' if status == 200 else b'no\n')

            def log_message(self, *_):
                pass

        return Handler


KUBECTL = '''#!/usr/bin/env python3
# The three commands of the golden project's hooks.
import json, sys, time, urllib.error, urllib.request
URL, KINDS = %r, {'deploy': 'apis/apps/v1/%%s/deployments', 'svc': 'api/v1/%%s/services', 'ingress': 'apis/networking.k8s.io/v1/%%s/ingresses'}
namespace, words = sys.argv[2], sys.argv[3:]

def call(method, word):
    kind, name = word.split('/')
    path = URL + '/' + KINDS[kind] %% ('namespaces/' + namespace) + '/' + name
    return json.load(urllib.request.urlopen(urllib.request.Request(path, method=method)))

assert sys.argv[1] == '-n'
if words[:2] == ['rollout', 'status']:
    for _ in range(600):
        if call('GET', words[2]).get('status', {}).get('availableReplicas'):
            sys.exit(0)
        time.sleep(0.05)
    sys.exit('not rolled out')
assert words[0] == 'delete' and words[-1] == '--ignore-not-found'
for word in words[1:-1]:
    try:
        call('DELETE', word)
    except urllib.error.HTTPError as error:
        assert error.code == 404
'''
NETCAT = '#!/bin/bash\n[ "$1" = -z ] && exec 3<> "/dev/tcp/$2/$3"\n'
CURL = '''#!/usr/bin/env python3
import sys, urllib.request
name, _, value = sys.argv[sys.argv.index('-H') + 1].partition(': ')
print(urllib.request.urlopen(urllib.request.Request(sys.argv[-1], headers={name: value}), timeout=5).read().decode())
'''


def home_with_tools(cluster):
    """A home folder whose login shells find kubectl, nc and curl: the testbed's kubectl before the real server, else stand-ins."""
    home, tools = os.path.join(cluster.folder, 'home'), os.path.join(cluster.folder, 'home', 'bin')
    os.makedirs(tools)
    stand_ins = {'nc': NETCAT, 'curl': CURL}
    if cluster.sim:
        stand_ins['kubectl'] = KUBECTL % cluster.url
    else:
        real = subprocess.run([os.path.join(HERE, 'testbed/build'), '--print-bin'], capture_output=True, text=True, check=True).stdout.split()[-1]
        os.symlink(os.path.join(real, 'kubectl'), os.path.join(tools, 'kubectl'))
    for name, text in stand_ins.items():
        path = os.path.join(tools, name)
        open(path, 'w').write(text)
        os.chmod(path, 0o755)
    open(os.path.join(home, '.bash_profile'), 'w').write('export PATH="%s:$PATH"\n' % tools)
    return home


def probe_project(cluster, project, ports):
    return golden_copy(cluster, project, ('nc -z 127.0.0.1 80;', 'nc -z 127.0.0.1 %d;' % ports[0]), ('nc -z 127.0.0.1 443;', 'nc -z 127.0.0.1 %d;' % ports[1]),
                       ('http://127.0.0.1/_probe', 'http://127.0.0.1:%d/_probe' % ports[0]), ('{1..30}', '{1..3}'), ('sleep 2', 'sleep 0'))


def apply_probe(cluster, folder, project, home, infra='namespace-and-config,echo-probe'):
    args = ['--only-infra', infra, '--skip-services', 'chat-web,chat-gateway,users,messages,messages-cleaner']
    return slotdeck(cluster, folder, 'apply', '--env', 'ai-staging', *args, '--wait', '--settle', '0s', '--output', 'jsonl',
                    env={**golden_env(project), 'HOME': home})


def cluster_issuers(cluster):
    cluster.ensure('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', cert_manager_crd('clusterissuers', 'ClusterIssuer', 'Cluster'))
    wait_for_kind(cluster, '/apis/cert-manager.io/v1/clusterissuers')


def the_echo_probe_is_asked_through_the_site_and_then_removed(c):
    golden_cluster(c)
    cluster_issuers(c)
    home, namespace = home_with_tools(c), 'probe-ok-ai-staging'
    with Site(c, namespace) as site:
        folder = probe_project(c, 'probe-ok', site.ports)
        run = apply_probe(c, folder, 'probe-ok', home, 'namespace-and-config,tls-issuer,echo-probe')
        assert run.code == 0 and ('stage.golden.test', '/_probe', 200) in site.asked, (site.asked, run)
    assert [e['text'] for e in run.events('hook')] == ['wait-echo-probe', 'check-echo-probe-http', 'cleanup-echo-probe'], run
    for path in ('/apis/apps/v1/namespaces/%s/deployments', '/api/v1/namespaces/%s/services', '/apis/networking.k8s.io/v1/namespaces/%s/ingresses'):
        assert 'echo-probe' not in [o['metadata']['name'] for o in c.get(path % namespace)['items']], path
    assert c.get('/apis/cert-manager.io/v1/clusterissuers/letsencrypt')['spec']['acme']['email'] == 'ops@golden.test'


def a_site_that_does_not_answer_fails_the_echo_probe(c):
    golden_cluster(c)
    home = home_with_tools(c)
    with Site(c, 'probe-no-ai-staging') as site:
        folder = probe_project(c, 'probe-no', site.ports)
        text = open(os.path.join(folder, 'services.yaml')).read()
        open(os.path.join(folder, 'services.yaml'), 'w').write(text.replace('Host: ${HOST}', 'Host: elsewhere.test'))
        run = apply_probe(c, folder, 'probe-no', home)
        assert run.code == 6 and 'error: echo-probe HTTP check failed' in run.out and site.asked[0][2] == 404, (site.asked, run)
    run = apply_probe(c, folder, 'probe-no', home)
    assert run.code == 1 and 'error: port 80 is not reachable' in run.out and 'services.yaml:' in run.err, run


# ---- a slot with everything ----

def a_slot_comes_up_with_its_hooks_its_issuer_and_its_parked_certificate(c):
    golden_cluster(c)
    cluster_issuers(c)
    folder, name = golden_copy(c, 'golden-slot'), 'golden-slot-dev-4-tls'
    pair = certificate(c, 'dev-4.slots.golden.test')
    tls_secret(c, 'golden-slot-ai-staging', name, pair)
    args = ['apply', '--env', 'ai', '--slot', '4', '--preflight', '--wait', '--settle', '1s', '--output', 'jsonl']
    run = slotdeck(c, folder, *args, env=golden_env('golden-slot'))
    assert run.code == 0 and secret(c, 'golden-slot-dev-4', name) == pair, run
    assert [e['text'] for e in run.events('hook')] == ['reuse-dev-tls-secret'], run
    assert not [e for e in run.events('finding') if 'golden-slot-dev-4-tls' in e['text']], run
    again = slotdeck(c, folder, *args, env=golden_env('golden-slot'))
    changed = [e['object']['kind'] for e in again.events('object') if e['change'] != 'unchanged']
    assert again.code == 0 and changed in ([], ['ClusterIssuer']), again  # the issuer is everybody's: another test may have labelled it


# ---- full.env alone ----

def claims_that_nobody_makes_are_told_by_preflight_and_by_the_chain_of_causes(c):
    golden_cluster(c)
    folder = golden_copy(c, 'golden-claims')
    run = slotdeck(c, folder, 'apply', '--env', 'ai-staging', '--skip-infra', 'echo-probe,tls-issuer,' + SHARED, '--preflight', '--wait', '--wait-timeout', '8s',
                   '--output', 'jsonl', env=golden_env('golden-claims', claims=False))
    assert run.code == 5, run
    wanted = {'postgres': 'golden-data', 'redis': 'golden-data', 'chat-web': 'golden-workspace', 'chat-gateway': 'golden-workspace',
              'users': 'golden-workspace', 'messages': 'golden-workspace', 'messages-cleaner': 'golden-workspace'}
    told = {e['object']['name']: e for e in run.events('finding') if 'PersistentVolumeClaim' in e['text']}
    assert told.keys() == wanted.keys() and all('"%s"' % claim in told[name]['text'] and told[name]['file'] for name, claim in wanted.items()), told
    chains = {}
    for event in run.events('cause'):
        chains.setdefault((event['object']['kind'], event['object']['name']), []).append(event['text'])
    for name, claim in wanted.items():
        if name != 'messages-cleaner':
            chain = chains['Deployment', name]
            assert 'Deployment ' + name in chain[0] and any('Pod ' in line and 'persistentvolumeclaim "%s" not found' % claim in line for line in chain), (name, chain)
    assert 'registry' not in {name for kind, name in chains if kind == 'Deployment'}, chains.keys()


SIM_ONLY = []
