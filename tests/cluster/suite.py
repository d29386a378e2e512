#!/usr/bin/env python3
"""The cluster suite: what apply, diff, wait, status and prune must do on a cluster, run on the simulation or on a real API server.

usage: suite.py sim|real [PATTERN]

`sim` starts `slotdeck sim` for each test. `real` wants KUBECONFIG (token.kubeconfig of tests/cluster/testbed) and a namespace prefix of its own.
Ends with `N passed, N failed`. SLOTDECK_BIN names the program.
"""
import base64, calendar, concurrent.futures, importlib, json, os, re, signal, subprocess, sys, time, traceback

from harness import *


CRD = ('apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: %(plural)s.suite.test}\nspec:\n  group: suite.test\n  scope: Namespaced\n'
       '  names: {plural: %(plural)s, kind: %(kind)s}\n  versions:\n    - name: v1\n      served: true\n      storage: true\n'
       '      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n')


# ---- the tests: each gets a cluster ----

def the_golden_project_comes_up_from_nothing_and_a_second_apply_writes_nothing(c):
    golden_cluster(c)
    args = ['apply', '--env', 'ai-staging', *SKIP, '--wait', '--settle', '2s', '--output', 'jsonl']
    first = slotdeck(c, GOLDEN, *args, env=golden_env())
    assert first.code == 0, first
    assert first.events('finished')[0]['exitCode'] == 0, first
    assert len([e for e in first.events('object') if e['change'] == 'created']) >= 40, first
    before = versions(c, 'project-example-ai-staging')
    assert len(before) > 60, sorted(before)
    c.watch_requests()
    c.forget_requests()
    again = slotdeck(c, GOLDEN, *args, env=golden_env())
    assert again.code == 0, again
    assert {e['change'] for e in again.events('object')} == {'unchanged'}, again
    assert c.requests() and not c.writes(), c.writes()
    after = versions(c, 'project-example-ai-staging')
    assert after == before, difference(after, before)


def a_slot_of_the_golden_project_comes_up(c):
    golden_cluster(c)
    run = slotdeck(c, GOLDEN, 'apply', '--env', 'ai', '--slot', '3', '--skip-infra', 'echo-probe,tls-issuer', '--no-hooks', '--wait', '--settle', '1s', '--output', 'jsonl',
                   env=golden_env())
    assert run.code == 0, run
    labels = c.get('/apis/apps/v1/namespaces/project-example-dev-3/deployments')['items'][0]['metadata']['labels']
    assert labels['slotdeck.dev/slot'] == '3' and labels['app.kubernetes.io/managed-by'] == 'slotdeck', labels


def a_dry_run_writes_nothing(c):
    c.watch_requests()
    folder = project(c, 'dry', {'a': config_map('a', k='v'), 'web': deployment('web')}, services_extra='hooks: {beforeAll: [{run: "exit 3"}]}\n')
    for there in (False, True):  # without its namespace the server can't be asked about an object
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--dry-run', '--prune')
        assert run.code == 0, run
        assert c.requests() and not c.writes(lease=True), c.writes(lease=True)
        c.ensure('/api/v1/namespaces', {'metadata': {'name': 'dry-dev'}})


def diff_shows_what_another_manager_changed_and_apply_says_who_holds_it(c):
    folder = project(c, 'drift', {'a': config_map('a', k='v')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    assert slotdeck(c, folder, 'diff', '--env', 'dev').code == 0
    code, _ = c.call('PATCH', '/api/v1/namespaces/drift-dev/configmaps/a?fieldManager=somebody', {'data': {'k': 'theirs'}}, 'application/merge-patch+json')
    assert code == 200
    shown = slotdeck(c, folder, 'diff', '--env', 'dev', '--force-conflicts')
    assert shown.code == 3 and 'theirs' in shown.out, shown
    refused = slotdeck(c, folder, 'apply', '--env', 'dev', '--output', 'jsonl')
    assert refused.code == 7, refused
    conflict = refused.events('conflict')[0]
    assert conflict['field'] == '.data.k' and conflict['text'] == 'somebody' and conflict['theirs'] == '"theirs"' and conflict['ours'] == '"v"', conflict
    assert slotdeck(c, folder, 'apply', '--env', 'dev', '--force-conflicts').code == 0
    assert c.get('/api/v1/namespaces/drift-dev/configmaps/a')['data'] == {'k': 'v'}


def an_object_of_client_side_apply_is_migrated_and_a_dropped_field_goes(c):
    folder = project(c, 'mig', {'a': config_map('a', a='1')})
    c.ensure('/api/v1/namespaces', {'metadata': {'name': 'mig-dev'}})
    last = json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a', 'namespace': 'mig-dev'}, 'data': {'a': '1', 'b': '2'}})
    code, answer = c.call('POST', '/api/v1/namespaces/mig-dev/configmaps?fieldManager=kubectl-client-side-apply',
                          {'metadata': {'name': 'a', 'annotations': {'kubectl.kubernetes.io/last-applied-configuration': last}}, 'data': {'a': '1', 'b': '2'}})
    assert code in (200, 201), answer
    code, answer = c.call('PATCH', '/api/v1/namespaces/mig-dev/configmaps/a?fieldManager=controller', {'data': {'c': '3'}}, 'application/merge-patch+json')
    assert code == 200, answer
    shown = slotdeck(c, folder, 'diff', '--env', 'dev')
    assert shown.code == 3 and 'would become ours' in shown.err, shown
    dry = slotdeck(c, folder, 'apply', '--env', 'dev', '--dry-run')
    assert dry.code == 0 and 'ConfigMap a: fields of client-side apply would become ours' in dry.err, dry
    assert c.get('/api/v1/namespaces/mig-dev/configmaps/a')['data'] == {'a': '1', 'b': '2', 'c': '3'}
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0, run
    assert c.get('/api/v1/namespaces/mig-dev/configmaps/a')['data'] == {'a': '1', 'c': '3'}


def prune_removes_exactly_what_it_listed(c):
    folder = project(c, 'prune', {'a': config_map('a', k='v'), 'b': config_map('b', k='v')})
    other = project(c, 'prune', {'x': config_map('x', k='v')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    assert slotdeck(c, other, 'apply', '--env', 'qa', '--namespace', 'prune-dev').code == 0
    services = os.path.join(folder, 'services.yaml')
    text = open(services).read().replace('  - name: b\n    manifests: [{path: b.yaml}]\n', '')
    open(services, 'w').write(text)
    kept = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert kept.code == 0 and c.get('/api/v1/namespaces/prune-dev/configmaps/b'), kept
    listed = slotdeck(c, folder, 'diff', '--env', 'dev', '--prune', '--output', 'jsonl')
    names = [e['object']['name'] for e in listed.events('object') if e['change'] == 'would-prune']
    assert listed.code == 3 and names == ['b'], listed
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--prune', '--output', 'jsonl')
    assert run.code == 0 and [e['object']['name'] for e in run.events('object') if e['change'] == 'pruned'] == ['b'], run
    assert c.get('/api/v1/namespaces/prune-dev/configmaps/b') is None
    assert c.get('/api/v1/namespaces/prune-dev/configmaps/a') and c.get('/api/v1/namespaces/prune-dev/configmaps/x')


def an_image_that_cannot_be_pulled_fails_within_15_seconds_of_the_event_with_the_chain(c):
    folder = project(c, 'pull', {'web': deployment('web', 'imagepull')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--output', 'jsonl')
    ended = time.time()
    assert run.code == 1, run
    chain = ' / '.join(e['text'] for e in run.events('cause'))
    assert 'Deployment web' in chain and 'ImagePull' in chain and 'Pod web' in chain, chain
    failures = [e for e in c.get('/api/v1/namespaces/pull-dev/events')['items'] if e['reason'] == 'Failed' and e['type'] == 'Warning']
    first = min(calendar.timegm(time.strptime(e['firstTimestamp'], '%Y-%m-%dT%H:%M:%SZ')) for e in failures)
    assert ended - first <= 15, (ended - first, run)


def a_crash_loop_fails_after_its_grace_with_the_last_log_line(c):
    folder = project(c, 'crash', {'web': deployment('web', 'crashloop')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--grace', '3s', '--output', 'jsonl')
    assert run.code == 1, run
    assert any('last log line' in e['text'] for e in run.events('cause')), run


def prune_keeps_what_holds_data_until_it_is_named(c):
    guarded = {
        'Namespace': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: guard-more}\n',
        'CustomResourceDefinition': CRD % {'kind': 'Axle', 'plural': 'axles'},
        'PersistentVolumeClaim': 'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: disk}\nspec: {storageClassName: "", accessModes: [ReadWriteOnce], '
                                 'resources: {requests: {storage: 1Gi}}}\n',
        'PersistentVolume': 'apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: guard-disk}\nspec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], '
                            'storageClassName: by-hand, hostPath: {path: /nowhere}}\n',
    }
    paths = {'Namespace': '/api/v1/namespaces/guard-more', 'PersistentVolumeClaim': '/api/v1/namespaces/guard-dev/persistentvolumeclaims/disk',
             'CustomResourceDefinition': '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/axles.suite.test',
             'PersistentVolume': '/api/v1/persistentvolumes/guard-disk'}
    folder = project(c, 'guard', {'a': config_map('a', k='v'), 'keep': '---\n'.join(guarded.values())})
    first = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert first.code == 0, first
    services = os.path.join(folder, 'services.yaml')
    text = open(services).read().replace('  - name: keep\n    manifests: [{path: keep.yaml}]\n', '')
    open(services, 'w').write(text)
    kept = slotdeck(c, folder, 'apply', '--env', 'dev', '--prune', '--output', 'jsonl')
    assert kept.code == 0 and not [e for e in kept.events('object') if e['change'] == 'pruned'], kept
    notes = [e['text'] for e in kept.events('note')]
    for kind, path in paths.items():
        assert c.get(path), kind
        assert [n for n in notes if n.startswith(kind + ' ') and 'kept' in n], (kind, notes)
    names = [path.rsplit('/')[-1] for path in paths.values()]
    also = [word for kind, path in paths.items() for word in ('--prune-also', '%s/%s' % (kind, path.rsplit('/')[-1]))]
    gone = slotdeck(c, folder, 'apply', '--env', 'dev', '--prune', *also, '--output', 'jsonl')
    assert gone.code == 0, gone
    assert sorted(e['object']['name'] for e in gone.events('object') if e['change'] == 'pruned') == sorted(names), gone
    for kind, path in paths.items():  # finalizers may still be at work
        left = c.get(path)
        assert not left or left['metadata'].get('deletionTimestamp'), (kind, left)


def with_filters_prune_takes_only_what_belonged_to_a_selected_item(c):
    two = lambda a, b: config_map(a, k='v') + '---\n' + config_map(b, k='v')
    folder = project(c, 'pfilter', {'a': two('a', 'a2'), 'b': two('b', 'b2')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    for item in 'ab':
        open(os.path.join(folder, item + '.yaml'), 'w').write(config_map(item, k='v'))
    names = lambda: {o['metadata']['name'] for o in c.get('/api/v1/namespaces/pfilter-dev/configmaps')['items']} & {'a', 'a2', 'b', 'b2'}
    for filters in (['--only-services', 'a'], ['--skip-services', 'b']):
        shown = slotdeck(c, folder, 'diff', '--env', 'dev', '--prune', *filters, '--output', 'jsonl')
        assert [e['object']['name'] for e in shown.events('object') if e['change'] == 'would-prune'] == ['a2'], shown
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--prune', '--only-services', 'a', '--output', 'jsonl')
    assert run.code == 0 and names() == {'a', 'b', 'b2'}, (run, names())
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--prune')
    assert run.code == 0 and names() == {'a', 'b'}, (run, names())


def prune_keeps_what_another_environment_has_applied_too(c):
    folder = project(c, 'pshare', {'a': config_map('a', k='v') + '---\n' + config_map('both', k='v')})
    for env in ('qa', 'dev'):  # dev is the last, so the labels name it
        assert slotdeck(c, folder, 'apply', '--env', env, '--namespace', 'pshare-dev').code == 0
    open(os.path.join(folder, 'a.yaml'), 'w').write(config_map('a', k='v'))
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--namespace', 'pshare-dev', '--prune')
    assert run.code == 0 and 'both' in run.out + run.err and 'another environment' in run.out + run.err, run
    assert c.get('/api/v1/namespaces/pshare-dev/configmaps/both'), run


def a_wait_that_takes_too_long_ends_with_the_deadline(c):
    folder = project(c, 'late', {'web': deployment('web', 'unready')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--wait-timeout', '2s')
    assert run.code == 5 and 'not ready' in run.err, run
    status = slotdeck(c, folder, 'status', '--env', 'dev')
    assert status.code == 8, status


def status_is_healthy_or_says_what_is_missing(c):
    folder = project(c, 'stat', {'web': deployment('web')})
    absent = slotdeck(c, folder, 'status', '--env', 'dev')
    assert absent.code == 1 and 'missing' in absent.out, absent
    assert slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s').code == 0
    assert slotdeck(c, folder, 'status', '--env', 'dev').code == 0


def status_without_the_right_to_look_ends_with_4(c):
    folder = project(c, 'norights', {'web': deployment('web')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s').code == 0
    run = slotdeck(c, folder, 'status', '--env', 'dev', '--kubeconfig', c.of_somebody_without_rights())
    assert run.code == 4 and 'no right to list or watch' in run.out + run.err, run


def a_wait_without_the_right_to_look_ends_with_4_and_names_what_it_waited_for(c):
    folder = project(c, 'nowait', {'web': deployment('web')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s').code == 0
    run = slotdeck(c, folder, 'wait', '--env', 'dev', '--output', 'jsonl', '--kubeconfig', c.of_somebody_without_rights())
    assert run.code == 4 and run.seconds < 20, run
    assert [e['object']['name'] for e in run.events('wait')][-1] == 'web', run
    assert 'no right to list or watch' in run.events('finished')[0]['text'] and 'Deployment web' in run.events('finished')[0]['text'], run


def with_a_read_only_kubeconfig_one_may_look_and_not_touch(c):
    folder = project(c, 'look', {'a': config_map('a', k='v'), 'web': deployment('web')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s').code == 0
    before, only = versions(c, 'look-dev'), ['--kubeconfig', c.of_somebody_who_may_only_look()]
    assert slotdeck(c, folder, 'status', '--env', 'dev', *only).code == 0
    open(os.path.join(folder, 'a.yaml'), 'w').write(config_map('a', k='w'))
    for args in (['apply'], ['apply', '--preflight'], ['apply', '--dry-run'], ['diff']):
        run = slotdeck(c, folder, *args, '--env', 'dev', *only)
        assert run.code == 4, (args, run)
    listed = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight', *only)
    assert 'patch configmaps' in listed.err and 'update leases' in listed.err, listed
    after = versions(c, 'look-dev')
    assert after == before, difference(after, before)


def an_unknown_kind_is_found_before_the_first_write(c):
    c.watch_requests()
    folder = project(c, 'kind', {'a': config_map('a', k='v'), 'b': 'apiVersion: nobody.test/v1\nkind: Thing\nmetadata: {name: t}\n'})
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 2 and 'Thing' in run.err, run
    assert c.requests() and not c.writes(lease=True), c.writes(lease=True)
    assert c.get('/api/v1/namespaces/kind-dev') is None


def a_custom_kind_of_the_same_stack_is_waited_for(c):
    crd = CRD % {'kind': 'Gear', 'plural': 'gears'}
    folder = project(c, 'gear', {'use': 'apiVersion: suite.test/v1\nkind: Gear\nmetadata: {name: g}\nspec: {teeth: 12}\n', 'def': crd})
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0, run
    assert c.get('/apis/suite.test/v1/namespaces/gear-dev/gears/g')['spec'] == {'teeth': 12}


def read_only_refuses_before_anything_is_sent(c):
    c.watch_requests()
    folder = project(c, 'ro', {'a': config_map('a', k='v')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--read-only')
    assert run.code == 4 and 'read-only' in run.err, run
    assert not c.writes(lease=True), c.writes(lease=True)
    assert c.get('/api/v1/namespaces/ro-dev') is None


def wrong_usage_and_wrong_files_end_with_2(c):
    folder = project(c, 'use', {'a': config_map('a', k='v')})
    assert slotdeck(c, folder, 'apply').code == 2
    assert slotdeck(c, folder, 'aply', '--env', 'dev').code == 2
    assert slotdeck(c, folder, 'apply', '--env', 'dev', 'extra').code == 2
    assert slotdeck(c, folder, 'apply', '--env', 'nope').code == 2
    assert slotdeck(c, folder, 'diff', '--env', 'dev', '--output', 'xml').code == 2
    for command in ('apply', 'status'):
        nowhere = slotdeck(c, folder, command, '--env', 'dev', '--kubeconfig', os.path.join(folder, 'absent'))
        assert nowhere.code == 2 and 'absent' in nowhere.err, nowhere
        other = slotdeck(c, folder, command, '--env', 'dev', '--context', 'of-another-file')
        assert other.code == 2 and 'of-another-file' in other.err, other
        unset = slotdeck(c, folder, command, '--env', 'dev', env={'KUBECONFIG': '', 'HOME': folder})
        assert unset.code == 2 and 'no cluster is configured' in unset.err, unset


def what_a_credential_plugin_says_is_heard_and_its_failure_ends_with_4(c):
    folder = project(c, 'plugin', {'a': config_map('a', k='v')})
    plugin = os.path.join(folder, 'login')
    with open(plugin, 'w') as f:
        f.write('#!/bin/sh\necho "open https://login.example.test and\033[2J enter ABCD" >&2\necho "the session is over" >&2\nexit 1\n')
    os.chmod(plugin, 0o755)
    path = os.path.join(folder, 'kubeconfig')
    with open(path, 'w') as f:
        json.dump({'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'x', 'contexts': [{'name': 'x', 'context': {'cluster': 'x', 'user': 'x'}}],
                   'clusters': [{'name': 'x', 'cluster': {'server': c.url, 'insecure-skip-tls-verify': True} if c.context else {'server': c.url}}],
                   'users': [{'name': 'x', 'user': {'exec': {'apiVersion': 'client.authentication.k8s.io/v1', 'command': plugin, 'interactiveMode': 'Never'}}}]}, f)
    run = slotdeck(c, folder, 'status', '--env', 'dev', '--kubeconfig', path)
    assert run.code == 4 and 'ended with exit code 1: the session is over' in run.err, run
    assert 'open https://login.example.test and' in run.err and '\x1b' not in run.err, run


def hooks_run_once_in_order_with_the_merged_variables(c):
    hooks = ('hooks:\n  beforeAll:\n    - {name: first, run: \'echo "first $CODEXCTL_ENV $CODEXCTL_NAMESPACE $FOO"; pwd\'}\n'
             '  afterAll:\n    - {name: last, run: \'echo "last $SLOTDECK_RUN_ID"\'}\n    - {name: skipped, when: "false", run: "echo no"}\n')
    folder = project(c, 'hook', {'a': config_map('a', k='v')}, services_extra=hooks)
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--output', 'jsonl', '--var', 'FOO=bar')
    lines = [e['text'] for e in run.events('line')]
    assert run.code == 0 and lines[0] == 'first dev hook-dev bar' and lines[1] == os.path.realpath(folder), run
    assert lines[2] == 'last ' + run.events('started')[0]['run'] and len(lines) == 3, run


def a_failing_hook_ends_the_run_and_its_place_is_told(c):
    folder = project(c, 'hookf', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{name: bad, run: "exit 3"}]}\n')
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 1 and 'status 3' in run.err and 'services.yaml:' in run.err, run
    assert c.get('/api/v1/namespaces/hookf-dev/configmaps/a') is None


def of_two_applies_at_once_one_wins_and_the_other_names_it(c):
    folder = project(c, 'two', {'a': config_map('a', k='v')}, services_extra='hooks: {afterAll: [{run: "sleep 9"}]}\n')
    first = subprocess.Popen([BIN, 'apply', '--env', 'dev'], cwd=folder, env=environment(c), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(100):
            lease = c.get('/apis/coordination.k8s.io/v1/namespaces/two-dev/leases/slotdeck-two-dev')
            if lease and lease['spec'].get('holderIdentity'):
                break
            time.sleep(0.1)
        second = slotdeck(c, folder, 'apply', '--env', 'dev')
        assert second.code == 7 and lease['spec']['holderIdentity'] in second.err, second
        assert first.wait(60) == 0
    finally:
        first.kill()
        first.communicate()


def a_signal_ends_the_run_with_its_code_and_says_what_is_done(c):
    folder = project(c, 'sig', {'a': config_map('a', k='v')}, services_extra='hooks: {afterAll: [{run: "sleep 60"}]}\n')
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        run = subprocess.Popen([BIN, 'apply', '--env', 'dev', '--output', 'jsonl'], cwd=folder, env=environment(c), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in run.stdout:
            event = json.loads(line)
            if event['event'] == 'hook':
                break
        start = time.monotonic()
        run.send_signal(number)
        out, _ = run.communicate(timeout=30)
        last = json.loads(out.splitlines()[-1])
        assert run.returncode == code and last['exitCode'] == code and time.monotonic() - start < 8, (run.returncode, last)


def the_reports_can_be_read_by_their_readers(c):
    import xml.etree.ElementTree
    folder = project(c, 'rep', {'web': deployment('web', 'imagepull')})
    files = {k: os.path.join(c.folder, 'rep-' + k) for k in ('summary', 'output', 'junit')}
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--output', 'jsonl', '--junit', files['junit'],
                   env={'GITHUB_ACTIONS': 'true', 'GITHUB_STEP_SUMMARY': files['summary'], 'GITHUB_OUTPUT': files['output']})
    assert run.code == 1, run
    suite = xml.etree.ElementTree.parse(files['junit']).getroot()[0]
    assert int(suite.get('failures')) >= 1 and int(suite.get('tests')) == len(suite), suite.attrib
    assert '::error' in run.err and 'Deployment' in open(files['summary']).read()
    assert 'namespace<<' in open(files['output']).read()
    assert [e['seq'] for e in run.events()] == list(range(1, len(run.events()) + 1))


def no_secret_value_is_shown_anywhere(c):
    canary = 'canary-4711-value'
    secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {token: "%s"}\n'
    folder = project(c, 'sec', {'s': secret % canary})
    runs = [slotdeck(c, folder, 'diff', '--env', 'dev', '--log-level', 'debug'), slotdeck(c, folder, 'apply', '--env', 'dev', '--log-level', 'debug', '--output', 'jsonl')]
    open(os.path.join(folder, 's.yaml'), 'w').write(secret % (canary + '2'))
    runs.append(slotdeck(c, folder, 'diff', '--env', 'dev'))
    assert runs[0].code == 3 and runs[1].code == 0 and runs[2].code == 3 and 'changed' in runs[2].out, runs
    encoded = base64.b64encode(canary.encode()).decode()
    for run in runs:
        assert canary not in run.out + run.err and encoded[:12] not in run.out + run.err, run


def a_namespace_that_nobody_makes_is_found_before_the_first_write(c):
    folder = project(c, 'nons', {'a': config_map('a', k='v').replace('{name: a}', '{name: a, namespace: not-there}')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 2 and 'not-there' in run.err, run


def what_fails_after_something_was_written_is_part_done(c):
    wrong = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {x: y}}, spec: {containers: []}}}\n'
    folder = project(c, 'part', {'a': config_map('a', k='v'), 'bad': wrong})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--output', 'jsonl')
    assert run.code == 6, run
    assert {(e['object']['name'], e['change']) for e in run.events('object')} >= {('a', 'created'), ('bad', 'failed')}, run


def the_time_for_writing_ends_with_the_deadline_also_amid_a_hook(c):
    folder = project(c, 'slowh', {'a': config_map('a', k='v')}, services_extra='hooks: {beforeAll: [{run: "sleep 60"}]}\n')
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--timeout', '1s')
    assert run.code == 5 and '--timeout' in run.err and 'services.yaml:' in run.err and run.seconds < 8, run
    assert c.get('/api/v1/namespaces/slowh-dev/configmaps/a') is None


# ---- on the simulation only: what needs its switches ----

def a_right_that_is_missing_ends_with_4_and_is_named(c):
    c.call('POST', '/_sim/deny', [{'verb': 'patch', 'resource': 'configmaps'}])
    folder = project(c, 'deny', {'a': config_map('a', k='v')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight')
    assert run.code == 4 and 'patch configmaps' in run.err, run
    assert not [w for w in c.writes() if 'configmaps' in w['path']], c.writes()


def a_second_apply_sends_nothing_but_the_lease(c):
    folder = project(c, 'same', {'a': config_map('a', k='v'), 'b': config_map('b', k='v')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    c.forget_requests()
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    assert c.writes() == [], c.writes()


def attempts_of_one_object_can_be_bounded(c):
    folder = project(c, 'tries', {'a': config_map('a', k='v')})
    c.call('POST', '/_sim/faults', [{'method': 'PATCH', 'path': 'configmaps/a', 'status': 500, 'message': 'failed calling webhook "x": connection refused'}])
    run = slotdeck(c, folder, 'ci', 'apply', '--env', 'dev', '--apply-retries', '2')
    assert run.code in (1, 6) and run.seconds < 15, run


def diff_calls_an_object_that_it_may_not_read_failed_not_new(c):
    folder = project(c, 'blind', {'a': config_map('a', k='v')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    open(os.path.join(folder, 'a.yaml'), 'w').write(config_map('a', k='w'))
    c.call('POST', '/_sim/faults', [{'method': 'GET', 'path': 'configmaps/a', 'status': 403}])
    run = slotdeck(c, folder, 'diff', '--env', 'dev', '--output', 'jsonl')
    c.call('DELETE', '/_sim/faults')
    assert run.code == 4 and not [e for e in run.events('diff') if e['change'] == 'would-create'], run


def what_somebody_else_deleted_is_missing_although_a_hook_ran_before(c):
    folder = project(c, 'gone', {'web': deployment('web')}, services_extra='hooks: {beforeAll: [{run: "true"}]}\n')
    assert slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s').code == 0
    run = subprocess.Popen([BIN, 'apply', '--env', 'dev', '--wait', '--settle', '3s', '--wait-timeout', '6s', '--output', 'jsonl'], cwd=folder,
                           env=environment(c), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = []
    for line in run.stdout:
        lines.append(json.loads(line))
        if lines[-1]['event'] == 'object':
            c.call('DELETE', '/apis/apps/v1/namespaces/gone-dev/deployments/web')
    assert run.wait(60) != 0, lines[-5:]
    assert not [e for e in lines if 'deleted by a hook' in e.get('text', '')], lines


def an_old_server_without_aggregated_discovery_will_do(c):
    c.call('POST', '/_sim/features', {'aggregated-discovery': False, 'watchlist': False, 'field-validation': False})
    folder = project(c, 'old', {'a': config_map('a', k='v'), 'web': deployment('web')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '0s')
    assert run.code == 0, run


def a_webhook_that_comes_up_late_is_waited_for(c):
    folder = project(c, 'hookup', {'a': config_map('a', k='v')})
    c.call('POST', '/_sim/faults', [{'method': 'PATCH', 'path': 'configmaps/a', 'count': 2, 'status': 500,
                                     'message': 'Internal error occurred: failed calling webhook "x": connection refused'}])
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    assert run.code == 0 and 'its webhook is not ready yet' in run.err, run


def what_is_there_is_looked_at_kind_by_kind_at_the_same_time(c):
    folder = project(c, 'atonce', {'a': '---\n'.join(config_map('a%d' % i, k='v') for i in range(4)), 'web': deployment('web')})
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    c.forget_requests()
    c.pause_request(1, method='GET', path='/configmaps\\?')
    child = subprocess.Popen([BIN, 'apply', '--env', 'dev'], cwd=folder, env=environment(c), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    assert c.wait_until_paused()
    while not [r for r in c.requests() if r['path'].endswith('/deployments/web')]:
        assert child.poll() is None
    c.call('POST', '/_sim/release')
    assert child.wait(30) == 0 and c.writes() == [], c.writes()


def diff_asks_for_each_object_once(c):
    folder = project(c, 'once', {'a': config_map('a', k='v'), 'm': '---\n'.join(config_map('m%d' % i, k='v') for i in range(4))})
    assert slotdeck(c, folder, 'apply', '--env', 'dev').code == 0
    for name, text in (('a', config_map('a', k='w')), ('m', '---\n'.join(config_map('m%d' % i, k='w') for i in range(4)))):
        open(os.path.join(folder, name + '.yaml'), 'w').write(text)
    c.forget_requests()
    run = slotdeck(c, folder, 'diff', '--env', 'dev')
    assert run.code == 3 and run.out.count('-  k: v') == 5 and run.out.count('+  k: w') == 5, run
    looks = [r['path'] for r in c.requests() if r['method'] == 'GET' and '/once-dev/configmaps' in r['path'] and 'slotdeck-inventory' not in r['path']]
    assert looks.count('/api/v1/namespaces/once-dev/configmaps') <= 2 and len(looks) <= 2, looks  # the prune list looks for itself


def what_can_be_seen_is_told_while_a_list_does_not_come(c):
    folder = project(c, 'hanglist', {'web': deployment('web'), 'sick': deployment('sick', 'unready')})
    c.call('POST', '/_sim/faults', [{'method': 'GET', 'path': '/hanglist-dev/jobs', 'action': 'hang'}])
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--wait-timeout', '4s', '--settle', '0s', '--output', 'jsonl')
    told = {(e['object']['name'], e['state']) for e in run.events('wait')}
    assert run.code == 5 and ('web', 'healthy') in told and ('sick', 'progressing') in told, run


def without_the_right_to_see_one_kind_a_wait_tells_the_rest(c):
    folder = project(c, 'partly', {'web': deployment('web')}, services_extra='')
    c.call('POST', '/_sim/deny', [{'verb': verb, 'resource': 'pods'} for verb in ('list', 'watch')])
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--wait', '--settle', '1s', '--output', 'jsonl')
    assert run.code == 4 and 'pods' in run.events('finished')[0]['text'], run
    assert [e['object']['name'] for e in run.events('wait')], run


def pauses_and_repetitions_of_ci_apply_are_as_asked_for(c):
    folder = project(c, 'pauses', {'a': config_map('a', k='v')})
    c.call('POST', '/_sim/faults', [{'method': 'PATCH', 'path': 'configmaps/a', 'count': 2, 'status': 500,
                                     'message': 'Internal error occurred: failed calling webhook "x": connection refused'}])
    run = slotdeck(c, folder, 'ci', 'apply', '--env', 'dev', '--apply-backoff', '700ms', '--output', 'jsonl')
    assert run.code == 0 and [e['pauseMs'] for e in run.events('retry')] == [700, 1400] and run.seconds > 2.1, run
    c.call('POST', '/_sim/faults', [{'method': 'PATCH', 'path': 'configmaps/b', 'count': 2, 'status': 500,
                                     'message': 'Internal error occurred: failed calling webhook "x": connection refused'}])
    once = slotdeck(c, project(c, 'pauses', {'b': config_map('b', k='v')}), 'ci', 'apply', '--env', 'dev', '--output', 'jsonl', env={'CODEXCTL_APPLY_RETRIES': '-3'})
    assert once.code == 1 and not once.events('retry'), once
    folder = project(c, 'again', {'web': deployment('web', 'unready')})
    run = slotdeck(c, folder, 'ci', 'apply', '--env', 'dev', '--wait', '--wait-timeout', '1s', '--wait-retries', '2', '--wait-backoff', '1s')
    assert run.code == 5 and 'at most 3s' in run.err and 3 < run.seconds < 12, run


SIM_ONLY = [diff_calls_an_object_that_it_may_not_read_failed_not_new, what_somebody_else_deleted_is_missing_although_a_hook_ran_before,
            attempts_of_one_object_can_be_bounded, a_right_that_is_missing_ends_with_4_and_is_named, a_second_apply_sends_nothing_but_the_lease,
            an_old_server_without_aggregated_discovery_will_do, a_webhook_that_comes_up_late_is_waited_for,
            what_is_there_is_looked_at_kind_by_kind_at_the_same_time, diff_asks_for_each_object_once,
            what_can_be_seen_is_told_while_a_list_does_not_come, without_the_right_to_see_one_kind_a_wait_tells_the_rest,
            pauses_and_repetitions_of_ci_apply_are_as_asked_for]
MODULES = [sys.modules[__name__]] + [importlib.import_module(f[:-3]) for f in sorted(os.listdir(HERE)) if re.fullmatch(r'suite_\w+\.py', f)]
ONLY_SIM = [t for module in MODULES for t in module.SIM_ONLY]
BOTH = [t for module in MODULES for t in tests_of(module) if t not in ONLY_SIM]


def told(error):
    """What was found, the suite's own frames, then the cause in one line: it comes last, where a cut log still has it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if os.path.dirname(os.path.abspath(f.filename)) == HERE]
    places = ['%s:%d: %s' % (os.path.basename(f.filename), f.lineno, f.line) for f in frames]
    text = str(error)
    return '%s\n  %s\ncause: %s at %s: %s' % (text[:6000], '\n  '.join(places), type(error).__name__, places[-1][:250], ' '.join(text.split())[:250])


def run_one(test):
    cluster = Cluster()
    try:
        test(cluster)
        return test, None
    except BaseException as error:
        return test, told(error)
    finally:
        cluster.close()


def main():
    pattern = sys.argv[2] if len(sys.argv) > 2 else ''
    tests = [t for t in BOTH + (ONLY_SIM if BACKEND == 'sim' else []) if re.search(pattern, t.__name__)]
    passed, failures = 0, []
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        for test, error in pool.map(run_one, tests):
            name = test.__name__.replace('_', ' ')
            print('%s %s' % ('FAIL' if error else 'ok  ', name), flush=True)
            if error:
                print(error, flush=True)
                failures.append((name, error.splitlines()[-1]))
            passed += not error
    for failure in failures:  # once more, where a cut log still shows it
        print('FAIL %s\n     %s' % failure)
    print('%d passed, %d failed' % (passed, len(failures)))
    return 1 if failures or not passed else 0


sys.exit(main())
