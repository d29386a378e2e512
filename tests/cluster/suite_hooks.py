"""The cluster suite's tests of hooks: each built-in action through `slotdeck apply`."""
import base64, json, os, socket, subprocess, tempfile, time

import github
from harness import *


# ---- sleep ----

def a_hook_sleeps_for_its_duration_and_not_beyond_its_timeout(c):
    folder = project(c, 'hsleep', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{use: sleep, with: {duration: 1200ms}}]}\n')
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0 and run.seconds > 1.2, run
    folder = project(c, 'hsleep', {'a': config_map('a', k='v')},
                     services_extra='hooks: {beforeAll: [{use: sleep, timeout: 300ms, with: {duration: 30s}}]}\n')
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 5 and run.seconds < 10 and 'services.yaml:' in run.err and '300ms' in run.err, run


# ---- codex.reuse-dev-tls-secret ----

REUSE = 'hooks: {afterAll: [{name: reuse, use: codex.reuse-dev-tls-secret, timeout: %s}]}\n'
OPENSSL_CA = '''[ca]
default_ca = d
[d]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = p
[p]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[ext]
subjectAltName = %s
'''


def certificate(cluster, *hosts, days=(-2, 30)):
    """A new key and its certificate for hosts, valid from days[0] to days[1] as counted from now."""
    folder = tempfile.mkdtemp(prefix='certificate-', dir=cluster.folder)
    open(os.path.join(folder, 'conf'), 'w').write(OPENSSL_CA % ','.join('DNS:' + h for h in hosts))
    open(os.path.join(folder, 'index.txt'), 'w')
    start, end = (time.strftime('%Y%m%d%H%M%SZ', time.gmtime(time.time() + d * 86400)) for d in days)
    for args in (['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key', '-subj', '/CN=test', '-out', 'csr'],
                 ['ca', '-batch', '-notext', '-selfsign', '-keyfile', 'key', '-in', 'csr', '-out', 'crt', '-startdate', start, '-enddate', end,
                  '-extensions', 'ext']):
        subprocess.run(['openssl', *args, '-config', 'conf'], cwd=folder, check=True, capture_output=True)
    return {'tls.crt': open(os.path.join(folder, 'crt')).read(), 'tls.key': open(os.path.join(folder, 'key')).read()}


def tls_secret(cluster, namespace, name, pair):
    """Makes it, or makes it anew, as an issuer would."""
    path, issuer = '/api/v1/namespaces/%s/secrets' % namespace, {'annotations': {'cert-manager.io/issuer-name': 'x'}, 'labels': {'kept': 'yes'}}
    cluster.ensure('/api/v1/namespaces', {'metadata': {'name': namespace}})
    cluster.call('DELETE', path + '/' + name)
    code, answer = cluster.call('POST', path, {'metadata': {'name': name, **issuer}, 'type': 'kubernetes.io/tls', 'data': {k: base64.b64encode(v.encode()).decode() for k, v in pair.items()}})
    assert code in (200, 201), answer


def secret(cluster, namespace, name):
    found = cluster.get('/api/v1/namespaces/%s/secrets/%s' % (namespace, name))
    return found and {k: base64.b64decode(v).decode() for k, v in found['data'].items()}


def ingress(name, secret_name, *hosts):
    return ('apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s}\nspec:\n  tls: [{secretName: %s, hosts: [%s]}]\n'
            '  defaultBackend: {service: {name: web, port: {number: 80}}}\n' % (name, secret_name, ', '.join(hosts)))


def slot_project(cluster, name, manifests, hooks):
    """Environments ai-staging and ai of a project: the slot's namespace is <name>-dev-<slot>."""
    folder = project(cluster, name, manifests, services_extra=hooks)
    path = os.path.join(folder, 'services.yaml')
    text = open(path).read().replace('environments: {dev: {}, qa: {}}', 'environments: {ai-staging: {}, ai: {}}')
    open(path, 'w').write(text)
    return folder


def apply_slot(cluster, folder, *args, **kw):
    return slotdeck(cluster, folder, 'apply', '--env', 'ai', '--slot', '3', *args, **kw)


def a_parked_certificate_comes_back_to_the_slot_that_the_plan_wants_it_for(c):
    folder = slot_project(c, 'tlsback', {'in': ingress('in', 'tlsback-dev-3-tls', 'a.tls.test', 'b.tls.test')}, REUSE % '30s')
    pair = certificate(c, 'a.tls.test', '*.tls.test')
    tls_secret(c, 'tlsback-ai-staging', 'tlsback-dev-3-tls', pair)
    run = apply_slot(c, folder)
    assert run.code == 0 and run.seconds < 20, run
    found = c.get('/api/v1/namespaces/tlsback-dev-3/secrets/tlsback-dev-3-tls')
    assert found['type'] == 'kubernetes.io/tls' and secret(c, 'tlsback-dev-3', 'tlsback-dev-3-tls') == pair, run
    assert found['metadata']['labels'] == {'kept': 'yes'} and not found['metadata'].get('annotations'), found['metadata']


def the_slots_certificate_is_parked_and_a_second_run_writes_nothing(c):
    folder = slot_project(c, 'tlspark', {'in': ingress('in', 'tlspark-dev-3-tls', 'a.tls.test')}, REUSE % '30s')
    pair = certificate(c, 'a.tls.test')
    c.ensure('/api/v1/namespaces', {'metadata': {'name': 'tlspark-ai-staging'}})
    tls_secret(c, 'tlspark-dev-3', 'tlspark-dev-3-tls', pair)
    run = apply_slot(c, folder)
    assert run.code == 0 and secret(c, 'tlspark-ai-staging', 'tlspark-dev-3-tls') == pair, run
    before = c.get('/api/v1/namespaces/tlspark-ai-staging/secrets/tlspark-dev-3-tls')['metadata']['resourceVersion']
    assert apply_slot(c, folder).code == 0
    assert c.get('/api/v1/namespaces/tlspark-ai-staging/secrets/tlspark-dev-3-tls')['metadata']['resourceVersion'] == before


def of_two_good_certificates_the_newer_one_stays(c):
    older, newer = certificate(c, 'a.tls.test', days=(-9, 60)), certificate(c, 'a.tls.test', days=(-2, 30))
    for name, staging, slot in (('tlsnew1', older, newer), ('tlsnew2', newer, older)):
        folder = slot_project(c, name, {'in': ingress('in', name + '-dev-3-tls', 'a.tls.test')}, REUSE % '30s')
        tls_secret(c, name + '-ai-staging', name + '-dev-3-tls', staging)
        tls_secret(c, name + '-dev-3', name + '-dev-3-tls', slot)
        run = apply_slot(c, folder)
        assert run.code == 0, run
        assert secret(c, name + '-ai-staging', name + '-dev-3-tls') == newer and secret(c, name + '-dev-3', name + '-dev-3-tls') == newer, (name, run)


def a_certificate_that_does_not_fit_is_not_copied_and_the_reason_is_told(c):
    good = certificate(c, 'a.tls.test', 'b.tls.test')
    table = [  # what is parked, what is told
        ({**good, 'tls.key': certificate(c, 'a.tls.test')['tls.key']}, 'private key belongs to another certificate'),
        (certificate(c, 'a.tls.test', 'c.tls.test'), 'does not cover b.tls.test'),
        (certificate(c, 'a.tls.test', 'b.tls.test', days=(-30, -1)), 'expired'),
        (certificate(c, 'a.tls.test', 'b.tls.test', days=(1, 30)), 'not valid yet'),
    ]
    for i, (pair, why) in enumerate(table):
        name = 'tlsbad%d' % i
        folder = slot_project(c, name, {'in': ingress('in', name + '-dev-3-tls', 'a.tls.test', 'b.tls.test')}, REUSE % '5s')
        tls_secret(c, name + '-ai-staging', name + '-dev-3-tls', pair)
        run = apply_slot(c, folder)
        assert run.code == 5 and why in run.err and 'services.yaml:' in run.err, (why, run)
        assert secret(c, name + '-dev-3', name + '-dev-3-tls') is None


def hosts_of_other_ingresses_of_the_slot_count_and_so_does_a_certificate_of_the_plan(c):
    crd = c.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', cert_manager_crd('certificates', 'Certificate', 'Namespaced'))
    assert crd[0] in (200, 201, 409), crd
    wanted = ('apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: cert}\nspec: {secretName: tlsall-dev-3-tls, dnsNames: [a.tls.test, b.tls.test], '
              'issuerRef: {name: letsencrypt}}\n')
    folder = slot_project(c, 'tlsall', {'cert': wanted}, REUSE % '5s')
    tls_secret(c, 'tlsall-ai-staging', 'tlsall-dev-3-tls', certificate(c, 'a.tls.test'))
    c.ensure('/api/v1/namespaces', {'metadata': {'name': 'tlsall-dev-3'}})
    c.ensure('/apis/networking.k8s.io/v1/namespaces/tlsall-dev-3/ingresses', {'metadata': {'name': 'foreign'}, 'spec': {
        'tls': [{'secretName': 'tlsall-dev-3-tls', 'hosts': ['other.tls.test']}], 'defaultBackend': {'service': {'name': 'web', 'port': {'number': 80}}}}})
    wait_for_kind(c, '/apis/cert-manager.io/v1/certificates')
    run = apply_slot(c, folder)
    assert run.code == 5 and 'does not cover b.tls.test, other.tls.test' in run.err, run
    c.call('DELETE', '/apis/networking.k8s.io/v1/namespaces/tlsall-dev-3/ingresses/foreign')
    tls_secret(c, 'tlsall-ai-staging', 'tlsall-dev-3-tls', certificate(c, 'a.tls.test', 'b.tls.test'))
    run = apply_slot(c, folder)
    assert run.code == 0 and secret(c, 'tlsall-dev-3', 'tlsall-dev-3-tls'), run


def a_secret_that_comes_while_the_hook_waits_is_parked(c):
    folder = slot_project(c, 'tlscome', {'in': ingress('in', 'of-the-issuer', 'a.tls.test')},
                          REUSE.replace('reuse-dev-tls-secret,', 'reuse-dev-tls-secret, with: {secretName: of-the-issuer, stagingNamespace: tlscome-parked},') % '60s')
    c.ensure('/api/v1/namespaces', {'metadata': {'name': 'tlscome-parked'}})
    pair = certificate(c, 'a.tls.test')
    run = subprocess.Popen([BIN, 'apply', '--env', 'ai', '--slot', '3', '--output', 'jsonl'], cwd=folder, env=environment(c), stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        told = []
        for line in run.stdout:
            told.append(line)
            if 'waiting for Secret of-the-issuer' in line:
                tls_secret(c, 'tlscome-dev-3', 'of-the-issuer', pair)
        assert run.wait(60) == 0 and secret(c, 'tlscome-parked', 'of-the-issuer') == pair, told[-5:]
    finally:
        run.kill()
        run.communicate()


def what_the_plan_says_counts_before_what_is_still_there(c):
    early = REUSE.replace('afterAll', 'beforeAll') % '30s'
    folder = slot_project(c, 'tlsearly', {'in': ingress('in', 'tlsearly-dev-3-tls', 'old.tls.test')}, '')
    assert apply_slot(c, folder).code == 0
    tls_secret(c, 'tlsearly-ai-staging', 'tlsearly-dev-3-tls', certificate(c, 'new.tls.test'))
    folder = slot_project(c, 'tlsearly', {'in': ingress('in', 'tlsearly-dev-3-tls', 'new.tls.test')}, early)
    run = apply_slot(c, folder)
    assert run.code == 0 and secret(c, 'tlsearly-dev-3', 'tlsearly-dev-3-tls'), run


def a_secret_that_nobody_names_is_not_waited_for(c):
    folder = slot_project(c, 'tlsno', {'in': ingress('in', 'another', 'a.tls.test')}, REUSE % '30s')
    run = apply_slot(c, folder)
    assert run.code == 0 and run.seconds < 15 and 'nothing to wait for' in run.err, run


def a_secret_or_an_ingress_that_may_not_be_read_ends_the_run_at_once(c):
    folder = slot_project(c, 'tlsdeny', {'in': ingress('in', 'tlsdeny-dev-3-tls', 'a.tls.test')}, REUSE % '100s')
    for verb, resource in (('get', 'secrets'), ('list', 'ingresses')):
        c.call('POST', '/_sim/deny', [{'verb': verb, 'resource': resource, 'namespace': 'tlsdeny-dev-3'}])
        run = apply_slot(c, folder)
        assert run.code == 4 and run.seconds < 20 and resource in run.err and 'services.yaml:' in run.err, (resource, run)


def what_goes_wrong_with_the_parked_secret_is_a_warning(c):
    folder = slot_project(c, 'tlswarn', {'in': ingress('in', 'tlswarn-dev-3-tls', 'a.tls.test')}, REUSE % '30s')
    tls_secret(c, 'tlswarn-dev-3', 'tlswarn-dev-3-tls', certificate(c, 'a.tls.test'))
    run = apply_slot(c, folder)
    assert run.code == 0 and 'warning: Secret tlswarn-dev-3-tls of tlswarn-ai-staging' in run.err, run
    c.call('POST', '/_sim/deny', [{'verb': 'get', 'resource': 'secrets', 'namespace': 'tlswarn-ai-staging'}])
    run = apply_slot(c, folder)
    assert run.code == 0 and 'warning: Secret tlswarn-dev-3-tls of tlswarn-ai-staging' in run.err, run


# ---- github.comment ----

def comment_project(cluster, name, parameters, more=''):
    hook = 'hooks: {afterAll: [{name: tell, use: github.comment, with: {%s}%s}]}\n' % (parameters, more)
    return project(cluster, name, {'a': config_map('a', k='v')}, services_extra=hook)


def a_comment_is_posted_with_the_bodys_template_rendered(c):
    folder = comment_project(c, 'ghpost', 'issue: 7, body: "{{ .Env }} is at {{ .Namespace }}: \\"up\\""')
    with github.GitHub() as hub:
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--log-level', 'debug', env=hub.env())
        assert run.code == 0 and [(x['issue'], x['body']) for x in hub.comments] == [(7, 'dev is at ghpost-dev: "up"')], run
        assert hub.requests == [('POST', '/repos/example-org/example-repo/issues/7/comments')], hub.requests
        assert hub.comments[0]['html_url'] in run.err, run
        assert github.TOKEN not in run.out + run.err, run


def a_pull_request_wins_over_an_issue_and_numbers_may_be_text(c):
    folder = comment_project(c, 'ghpr', 'issue: 7, pr: "43", body: hello')
    with github.GitHub() as hub:
        run = slotdeck(c, folder, 'apply', '--env', 'dev', env=hub.env())
        assert run.code == 0 and [x['issue'] for x in hub.comments] == [43], run


def a_marked_comment_is_changed_by_the_next_run_wherever_it_stands(c):
    folder = comment_project(c, 'ghmark', "pr: 43, marker: deploy-dev, body: 'run {{ envOr \"ROUND\" \"0\" }}'")
    with github.GitHub() as hub:
        for i in range(129):
            hub.comment(43, 'talk %d' % i)
        hub.comment(43, '> <!-- deploy-dev -->\n\nsomebody quotes it')
        for n in '12':
            run = slotdeck(c, folder, 'apply', '--env', 'dev', env=hub.env(ROUND=n))
            assert run.code == 0, run
            assert len(hub.comments) == 131 and hub.comments[-1]['body'] == 'run %s\n\n<!-- deploy-dev -->' % n, hub.comments[-1]
        assert [m for m, _ in hub.requests] == ['GET', 'GET', 'POST', 'GET', 'GET', 'PATCH'], hub.requests


def what_github_refuses_is_told_with_its_words_and_its_exit_code(c):
    folder = comment_project(c, 'ghno', 'issue: 7, body: hello')
    table = [  # environment, answers, exit code, what is told
        ({'CODEXCTL_GH_PAT': 'wrong-token'}, [], 4, 'does not accept the token of CODEXCTL_GH_PAT'),
        ({'CODEXCTL_GH_PAT': ''}, [], 4, 'CODEXCTL_GH_PAT is not set'),
        ({'CODEXCTL_REPO': 'example-org/other'}, [], 1, 'Not Found'),
        ({'CODEXCTL_REPO': 'no-repository'}, [], 2, 'CODEXCTL_REPO'),
        ({'GITHUB_API_URL': 'http://github.test'}, [], 2, 'https only'),
        ({}, [(403, {'message': 'Resource not accessible by personal access token'})], 4, 'Resource not accessible'),
        ({}, [(422, {'message': 'Validation Failed'})], 1, 'Validation Failed'),
    ]
    for env, answers, code, text in table:
        with github.GitHub() as hub:
            hub.answers = answers
            run = slotdeck(c, folder, 'apply', '--env', 'dev', env=hub.env(**env))
            assert run.code == code and text in run.err and 'services.yaml:' in run.err, (env, text, run)
            assert not hub.comments and 'wrong-token' not in run.out + run.err, run


def an_api_below_a_path_is_found(c):
    folder = comment_project(c, 'ghpath', 'issue: 7, body: hello')
    with github.GitHub(prefix='/api/v3') as hub:
        run = slotdeck(c, folder, 'apply', '--env', 'dev', env=hub.env(GITHUB_API_URL=hub.url + '/api/v3'))
        assert run.code == 0 and len(hub.comments) == 1, (hub.requests, run)


def a_busy_github_is_asked_again_and_comments_once(c):
    folder = comment_project(c, 'ghbusy', 'issue: 7, body: hello')
    with github.GitHub() as hub:
        hub.answers = [(429, {'message': 'slow down'}), (503, {'message': 'later'})]
        run = slotdeck(c, folder, 'apply', '--env', 'dev', env=hub.env())
        assert run.code == 0 and len(hub.comments) == 1, run


def an_api_that_never_answers_is_left_when_the_hooks_time_is_over(c):
    folder = comment_project(c, 'ghmute', 'issue: 7, body: hello', more=', timeout: 1s')
    with socket.create_server(('127.0.0.1', 0)) as mute:
        env = {'GITHUB_API_URL': 'http://127.0.0.1:%d' % mute.getsockname()[1], 'CODEXCTL_GH_PAT': 'x', 'CODEXCTL_REPO': 'a/b'}
        run = slotdeck(c, folder, 'apply', '--env', 'dev', env=env)
    assert run.code == 5 and "the hook's timeout of 1s is over: github.comment" in run.err and run.seconds < 10, run


def a_comment_that_may_fail_is_a_warning(c):
    folder = comment_project(c, 'ghwarn', 'issue: 7, body: hello', more=', continueOnError: true')
    run = slotdeck(c, folder, 'apply', '--env', 'dev', env={'GITHUB_API_URL': 'http://127.0.0.1:9', 'CODEXCTL_GH_PAT': 'x', 'CODEXCTL_REPO': 'a/b'})
    assert run.code == 0 and 'warning: ' in run.err and 'github.comment' in run.err, run


# ---- preflight ----

PREFLIGHT = 'hooks: {beforeAll: [{name: look, use: preflight}]}\n'


def the_preflight_hook_looks_at_all_that_the_plan_needs(c):
    folder = project(c, 'hpre', {'web': deployment('web', replicas=3), 'a': config_map('a', k='v')}, services_extra=PREFLIGHT)
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0 and 'preflight: server v' in run.err, run
    c.ensure('/api/v1/namespaces', {'metadata': {'name': 'hpre-qa'}})
    c.ensure('/api/v1/namespaces/hpre-qa/resourcequotas', {'metadata': {'name': 'small'}, 'spec': {'hard': {'pods': '2'}}})
    run = slotdeck(c, folder, 'apply', '--env', 'qa')
    assert run.code == 2 and 'services.yaml:' in run.err and 'this plan takes 3' in run.err, run
    assert c.get('/apis/apps/v1/namespaces/hpre-qa/deployments/web') is None


def the_preflight_hook_asks_for_rights_on_the_plans_kinds_only(c):
    folder = project(c, 'hprer', {'web': deployment('web')}, services_extra=PREFLIGHT)
    c.call('POST', '/_sim/deny', [{'verb': 'patch', 'resource': 'services'}, {'verb': '*', 'resource': 'secrets'}])
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0, run
    c.call('POST', '/_sim/deny', [{'verb': 'patch', 'resource': 'deployments'}])
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 4 and 'no right to patch deployments.apps' in run.err and 'services.yaml:' in run.err, run


# ---- kubectl.wait ----

def wait_hook(parameters, more=''):
    return 'hooks: {afterAll: [{name: ready, use: kubectl.wait, with: {%s}%s}]}\n' % (parameters, more)


def the_hook_returns_when_the_condition_holds(c):
    slow = deployment('web', 'slow').replace('metadata: {labels', 'metadata: {annotations: {testbed/delay: 3s}, labels')
    folder = project(c, 'kwait', {'web': slow}, services_extra=wait_hook('kind: deployment, name: web'))
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0, run
    status = c.get('/apis/apps/v1/namespaces/kwait-dev/deployments/web')['status']
    assert status.get('availableReplicas') == 1, status


def it_waits_for_any_kind_any_condition_and_another_namespace(c):
    job = 'apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: "x:1"}]}}}\n'
    folder = project(c, 'kwjob', {'job': job}, services_extra=wait_hook('kind: jobs.batch, name: j, condition: complete, timeout: 60s'))
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    assert c.get('/apis/batch/v1/namespaces/kwjob-dev/jobs/j')['status'].get('succeeded') == 1
    folder = project(c, 'kwoth', {'a': config_map('a', k='v')}, services_extra=wait_hook('kind: Job, name: j, condition: Complete, namespace: kwjob-dev'))
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    crd = wait_hook('kind: crd, name: certificates.cert-manager.io, condition: Established=True')
    c.ensure('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', cert_manager_crd('certificates', 'Certificate', 'Namespaced'))
    assert slotdeck(c, project(c, 'kwcrd', {'a': config_map('a', k='v')}, services_extra=crd), 'apply', '--env', 'dev').code == 0


def a_wait_in_vain_says_what_is_instead(c):
    table = [  # parameters, more of the hook, exit code, what is told
        ('kind: deploy, name: web, timeout: 5s', '', 5, 'its condition Available is False'),
        ('kind: deploy, name: web, condition: Nonsense, timeout: 1s', '', 5, 'it has no condition Nonsense after 1 s'),
        ('kind: deploy, name: nobody, timeout: 1s', '', 5, 'it is not there after 1 s'),
        ('kind: deploy, name: web, condition: Nonsense', ', timeout: 3s', 5, "the hook's timeout of 3s is over"),
        ('kind: deploy, name: web, condition: Available=Unknown, timeout: 5s', '', 5, 'its condition Available is False'),
        ('kind: deploy, name: web, condition: Available=False, timeout: 20s', '', 0, ''),
        ('kind: gadget, name: web', '', 2, 'no kind "gadget"'),
    ]
    for parameters, more, code, text in table:
        folder = project(c, 'kwvain', {'web': deployment('web', 'unready')}, services_extra=wait_hook(parameters, more))
        run = slotdeck(c, folder, 'apply', '--env', 'dev')
        assert run.code == code and text in run.err and (not code or 'services.yaml:' in run.err) and run.seconds < 20, (parameters, run)


def it_waits_for_what_comes_only_later(c):
    folder = project(c, 'kwlate', {'a': config_map('a', k='v')}, services_extra='hooks:\n  afterAll:\n    - {run: "touch waits"}\n'
                     '    - {use: kubectl.wait, with: {kind: job, name: late, condition: Complete}}\n')
    run = subprocess.Popen([BIN, 'apply', '--env', 'dev'], cwd=folder, env=environment(c), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    try:
        while not os.path.exists(os.path.join(folder, 'waits')):
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.05)
        c.ensure('/apis/batch/v1/namespaces/kwlate-dev/jobs', {'metadata': {'name': 'late'}, 'spec': {'template': {'spec': {
            'restartPolicy': 'Never', 'containers': [{'name': 'main', 'image': 'x:1'}]}}}})
        assert run.wait(60) == 0, run.stderr.read()
    finally:
        run.kill()
        run.communicate()


def a_condition_that_may_not_be_read_ends_the_run_at_once(c):
    folder = project(c, 'kwdeny', {'a': config_map('a', k='v')}, services_extra=wait_hook('kind: jobs, name: j, condition: Complete'))
    c.call('POST', '/_sim/deny', [{'verb': 'get', 'resource': 'jobs'}])
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 4 and 'jobs' in run.err and run.seconds < 10, run


# ---- codex.ensure-codex-secrets ----

def the_codex_secrets_are_made_from_the_merged_variables(c):
    folder = project(c, 'ensec', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{use: codex.ensure-codex-secrets}]}\n')
    keys = {'OPENAI_API_KEY': 'canary-openai', 'CODEXCTL_GH_PAT': ' canary-pat ', 'CONTEXT7_API_KEY': ''}
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--log-level', 'debug', env=keys)
    assert run.code == 0 and 'canary' not in run.out + run.err, run
    assert secret(c, 'ensec-dev', 'openai-secret') == {'OPENAI_API_KEY': 'canary-openai'}
    assert secret(c, 'ensec-dev', 'github-secret') == {'CODEXCTL_GH_PAT': 'canary-pat'}
    assert secret(c, 'ensec-dev', 'context7-secret') is None
    versions = [c.get('/api/v1/namespaces/ensec-dev/secrets/' + n)['metadata']['resourceVersion'] for n in ('openai-secret', 'github-secret')]
    run = slotdeck(c, folder, 'apply', '--env', 'dev', env={**keys, 'CODEXCTL_GH_PAT': '', 'CONTEXT7_API_KEY': 'canary-context'})
    assert run.code == 0 and 'warning: CODEXCTL_GH_PAT is not set' in run.err, run
    assert secret(c, 'ensec-dev', 'context7-secret') == {'CONTEXT7_API_KEY': 'canary-context'}
    assert versions == [c.get('/api/v1/namespaces/ensec-dev/secrets/' + n)['metadata']['resourceVersion'] for n in ('openai-secret', 'github-secret')]
    assert c.get('/api/v1/namespaces/ensec-dev/secrets/openai-secret')['type'] == 'Opaque'


def a_codex_secret_that_somebody_else_made_is_taken_over(c):
    folder = project(c, 'entake', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{use: codex.ensure-codex-secrets}]}\n')
    c.ensure('/api/v1/namespaces', {'metadata': {'name': 'entake-dev'}})
    c.ensure('/api/v1/namespaces/entake-dev/secrets?fieldManager=kubectl-client-side-apply',
             {'metadata': {'name': 'openai-secret'}, 'data': {'OPENAI_API_KEY': base64.b64encode(b'old').decode()}})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', env={'OPENAI_API_KEY': 'new'})
    assert run.code == 0 and secret(c, 'entake-dev', 'openai-secret') == {'OPENAI_API_KEY': 'new'}, run


# ---- rules of every hook (the spec's conformance cases) ----

def a_hook_runs_or_fails_as_its_fields_say(c):
    table = [  # the hook, exit code, what is told, what is not told
        ('{name: x, when: "{{ `{{ if false }}y{{ end }}` }}", run: "echo ran"}', 0, '', 'ran\n'),
        ('{name: x, use: nope, continueOnError: true}', 0, 'unknown action', ''),
        ('{name: x, run: "exit 7", continueOnError: true}', 0, 'status 7', ''),
        ('{name: x, run: "{{ if false }}y{{ end }}"}', 0, '', 'FAILED'),
        ('{name: x, run: "sleep 60", timeout: 300ms}', 5, 'services.yaml:', ''),
        ('{name: x, use: nope}', 2, 'nope', ''),
        ('{name: x, use: sleep, with: {duration: 1s}, timeout: 5}', 2, '"5"', ''),
        ('{name: x, use: sleep}', 2, 'duration', ''),
        ('{name: x, use: kubectl.wait, with: {kind: job}}', 2, 'name', ''),
        ('{name: x, use: github.comment, with: {body: hello}}', 2, 'issue', ''),
        ('{name: x, use: sleep, with: {duration: 1s}, run: "true"}', 2, 'run', ''),
    ]
    for hook, code, told, untold in table:
        folder = project(c, 'hrule', {'a': config_map('a', k='v')}, services_extra='hooks: {afterAll: [%s]}\n' % hook)
        run = slotdeck(c, folder, 'apply', '--env', 'dev', env={'CODEXCTL_GH_PAT': 'x', 'CODEXCTL_REPO': 'a/b'})
        assert run.code == code and told in run.err and (not untold or untold not in run.out + run.err), (hook, run)


def a_scripts_lines_are_told_while_it_runs_and_its_input_is_empty(c):
    hook = '{run: "cat; echo out; echo err >&2; until [ -e go ]; do sleep 0.05; done; echo end"}'
    folder = project(c, 'hlive', {'a': config_map('a', k='v')}, services_extra='hooks: {afterAll: [%s]}\n' % hook)
    run = subprocess.Popen([BIN, 'apply', '--env', 'dev', '--output', 'jsonl'], cwd=folder, env=environment(c), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True)
    try:
        lines = set()
        for event in map(json.loads, run.stdout):
            if event['event'] == 'line':
                lines.add((event['text'], event['stream']))
            if lines == {('out', 'stdout'), ('err', 'stderr')}:
                open(os.path.join(folder, 'go'), 'w').close()
        assert run.wait(60) == 0 and ('end', 'stdout') in lines, lines
    finally:
        run.kill()
        run.communicate()


def a_machine_without_bash_is_told(c):
    folder = project(c, 'hnobash', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{run: "true"}]}\n')
    run = slotdeck(c, folder, 'apply', '--env', 'dev', env={'PATH': folder})
    assert run.code == 1 and 'bash' in run.err and 'services.yaml:' in run.err, run


def what_a_script_started_ends_with_the_hooks_time(c):
    hook = '{run: "sleep 300 & echo $! > pid; wait", timeout: 8s}'
    folder = project(c, 'hgroup', {'a': config_map('a', k='v')}, services_extra='hooks: {afterAll: [%s]}\n' % hook)
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    child = '/proc/' + open(os.path.join(folder, 'pid')).read().strip()
    assert run.code == 5 and run.seconds < 30 and (not os.path.exists(child) or 'State:\tZ' in open(child + '/status').read()), run


def a_script_that_prints_a_secret_variable_is_masked(c):
    hook = '{run: "echo token $MY_TOKEN; echo \\"$DEPLOY_KEY\\" >&2; echo plain $OTHER; exit 3"}'
    folder = project(c, 'hmask', {'a': config_map('a', k='v')}, services_extra='hooks: {afterAll: [%s]}\n' % hook)
    env = {'MY_TOKEN': 'canary-token', 'DEPLOY_KEY': 'first-canary\nsecond-canary', 'OTHER': 'visible-text'}
    for output in ('text', 'jsonl'):
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--output', output, '--log-level', 'debug', env=env)
        assert 'canary' not in run.out + run.err and 'token ***' in run.out + run.err and 'visible-text' in run.out + run.err, run


def hooks_of_items_that_filters_leave_out_run_only_when_asked_for(c):
    infra = ('infrastructure:\n  - {name: x, manifests: [{path: a.yaml}], hooks: {afterApply: [{run: "echo from-x $SLOTDECK_ITEM $SLOTDECK_STAGE"}]}}\n'
             '  - {name: y, manifests: [{path: b.yaml}], hooks: {afterApply: [{run: "echo from-y"}]}}\n')
    folder = project(c, 'hfil', {}, infra=infra)
    for name in 'ab':
        open(os.path.join(folder, name + '.yaml'), 'w').write(config_map(name, k='v'))
    for args, wanted in ((['--only-infra', 'x'], ['from-x x afterApply']), (['--only-infra', 'x', '--hooks-of-all'], ['from-x x afterApply', 'from-y']),
                         (['--only-infra', 'x', '--no-hooks'], [])):
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--output', 'jsonl', *args)
        assert run.code == 0 and [e['text'] for e in run.events('line')] == wanted, (args, run)


SIM_ONLY = [a_condition_that_may_not_be_read_ends_the_run_at_once, the_preflight_hook_asks_for_rights_on_the_plans_kinds_only, a_secret_or_an_ingress_that_may_not_be_read_ends_the_run_at_once, what_goes_wrong_with_the_parked_secret_is_a_warning]
