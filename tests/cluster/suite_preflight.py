"""The cluster suite's tests of preflight: what is certain to go wrong is found before the first write, and nothing else."""
from harness import *


def workload(kind, name, cpu='100m', memory='16Mi', image='example.test/web:1', **spec):
    """A workload of one container that asks for cpu and memory."""
    pod = {'containers': [{'name': 'main', 'image': image, 'resources': {'requests': {'cpu': cpu, 'memory': memory}}}]}
    if kind == 'Job':
        return json.dumps({'apiVersion': 'batch/v1', 'kind': kind, 'metadata': {'name': name}, 'spec': {'template': {'spec': {**pod, 'restartPolicy': 'Never'}}}}) + '\n'
    body = {'selector': {'matchLabels': {'app': name}}, 'template': {'metadata': {'labels': {'app': name}}, 'spec': pod}, **spec}
    return json.dumps({'apiVersion': 'apps/v1', 'kind': kind, 'metadata': {'name': name}, 'spec': body}) + '\n'


def quota(cluster, namespace, **hard):
    cluster.ensure('/api/v1/namespaces', {'metadata': {'name': namespace}})
    cluster.ensure('/api/v1/namespaces/%s/resourcequotas' % namespace,
                   {'metadata': {'name': 'small'}, 'spec': {'hard': {k.replace('__', '/').replace('_', '.'): v for k, v in hard.items()}}})


def preflight(cluster, folder, *args, code):
    run = slotdeck(cluster, folder, 'apply', '--env', 'dev', '--preflight', '--output', 'jsonl', *args)
    findings = [e['text'] for e in run.events('finding') if e['severity'] == 'error']
    assert run.code == code and bool(findings) == (code != 0), run
    return findings


def the_sum_of_what_a_plan_wants_breaks_a_quota_that_each_part_would_keep(c):
    table = [  # quota, workloads, what is told
        ({'requests_cpu': '1'}, [workload('Deployment', 'a', '600m'), workload('StatefulSet', 'b', '300m', replicas=2, serviceName='b')],
         'quota small of namespace %s allows 1 of requests.cpu; this plan takes 1200m'),
        ({'memory': '100Mi'}, [workload('Deployment', 'a', memory='40Mi', replicas=3)], 'allows 100Mi of memory; this plan takes 120Mi'),
        ({'pods': '2'}, [workload('Deployment', 'a', replicas=3)], 'allows 2 of pods; this plan takes 3'),
        ({'limits_cpu': '1'}, [workload('Deployment', 'a', replicas=3).replace('"requests"', '"limits"').replace('100m', '400m')],
         'allows 1 of limits.cpu; this plan takes 1200m'),
        ({'count__deployments.apps': '1'}, [workload('Deployment', 'a'), workload('Deployment', 'b')], 'allows 1 of count/deployments.apps; this plan takes 2'),
        ({'services_nodeports': '0'}, ['apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: NodePort, ports: [{port: 80}]}\n'],
         'allows 0 of services.nodeports; this plan takes 1'),
        ({'requests_storage': '1Gi'}, ['apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: v%d}\nspec: {accessModes: [ReadWriteOnce], '
                                       'resources: {requests: {storage: 600Mi}}}\n' % i for i in (1, 2)], 'allows 1Gi of requests.storage; this plan takes 1200Mi'),
        ({'requests_cpu': '500m'}, [workload('Deployment', 'a', '300m'), workload('Job', 'j', '300m')], 'allows 500m of requests.cpu; this plan takes 600m'),
    ]
    for i, (hard, manifests, text) in enumerate(table):
        namespace = 'quo%d-dev' % i
        quota(c, namespace, **hard)
        folder = project(c, 'quo%d' % i, {'m%d' % k: m for k, m in enumerate(manifests)})
        found = preflight(c, folder, code=2)
        assert len(found) == 1 and (text % namespace if '%s' in text else text) in found[0], (text, found)
        assert c.get('/apis/coordination.k8s.io/v1/namespaces/%s/leases' % namespace)['items'] == []


def a_plan_that_fits_a_quota_fits_it_again_when_its_pods_are_replaced(c):
    quota(c, 'quofit-dev', requests_cpu='1', pods='2')
    web = workload('Deployment', 'web', '400m', replicas=2, strategy={'type': 'Recreate'})
    folder = project(c, 'quofit', {'web': web})
    preflight(c, folder, '--wait', '--settle', '0s', code=0)
    open(os.path.join(folder, 'web.yaml'), 'w').write(web.replace('web:1', 'web:2').replace('400m', '500m'))
    preflight(c, folder, '--wait', '--settle', '0s', code=0)
    open(os.path.join(folder, 'web.yaml'), 'w').write(web.replace('400m', '501m'))
    assert 'this plan takes 1002m' in preflight(c, folder, code=2)[0]


def what_others_use_counts_but_not_what_ends_by_itself(c):
    other = project(c, 'quoth', {'other': workload('Deployment', 'other', '300m')})
    job = project(c, 'quojob', {'job': workload('Job', 'job', '300m')})
    assert slotdeck(c, other, 'apply', '--env', 'qa', '--namespace', 'quomine-dev', '--wait', '--settle', '0s').code == 0
    assert slotdeck(c, job, 'apply', '--env', 'dev', '--namespace', 'quomine-dev', '--wait', '--settle', '0s').code == 0
    c.ensure('/api/v1/namespaces/quomine-dev/pods', {'metadata': {'name': 'task', 'annotations': {'testbed/duration': '600s'}}, 'spec': {
        'restartPolicy': 'Never', 'containers': [{'name': 'main', 'image': 'x:1', 'resources': {'requests': {'cpu': '300m'}}}]}})
    quota(c, 'quomine-dev', requests_cpu='1')
    folder = project(c, 'quomine', {'mine': workload('Deployment', 'mine', '350m', replicas=2)})
    preflight(c, folder, code=0)
    open(os.path.join(folder, 'mine.yaml'), 'w').write(workload('Deployment', 'mine', '351m', replicas=2))
    assert 'this plan takes 702m, what else is there takes 300m' in preflight(c, folder, code=2)[0]
    preflight(c, folder, '--prune', '--dry-run', code=0)


def a_quota_that_wants_requests_lets_no_silent_container_in(c):
    quota(c, 'quomute-dev', requests_cpu='4', limits_memory='4Gi', requests_storage='9Gi')
    folder = project(c, 'quomute', {'web': deployment('web'), 'loud': workload('Deployment', 'loud').replace('"requests"', '"limits"')})
    found = preflight(c, folder, code=2)
    assert sorted(found) == ['quota small of namespace quomute-dev lets in no pod without %s: container web of Deployment web sets none' % key
                             for key in ('limits.memory', 'requests.cpu')], found
    c.ensure('/api/v1/namespaces/quomute-dev/limitranges', {'metadata': {'name': 'usual'}, 'spec': {'limits': [
        {'type': 'Container', 'default': {'cpu': '200m', 'memory': '64Mi'}}]}})
    preflight(c, folder, '--wait', '--settle', '0s', code=0)


def what_is_doubtful_breaks_no_quota(c):
    quota(c, 'quodoubt-dev', requests_cpu='500m')
    scaled = workload('Deployment', 'a', '200m', replicas=9)
    scaler = ('apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {minReplicas: 2, maxReplicas: 9, '
              'scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}\n')
    cron = ('apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {schedule: "0 0 1 1 *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, '
            'containers: [{name: main, image: "x:1", resources: {requests: {cpu: "2"}}}]}}}}}\n')
    folder = project(c, 'quodoubt', {'a': scaled, 'scaler': scaler, 'cron': cron, 'set': workload('DaemonSet', 'd', '400m')})
    preflight(c, folder, code=0)


def a_quota_below_what_runs_already_stops_no_plan_that_takes_no_more(c):
    folder = project(c, 'quolow', {'web': workload('Deployment', 'web', '400m', replicas=2)})
    preflight(c, folder, '--wait', '--settle', '0s', code=0)
    quota(c, 'quolow-dev', requests_cpu='500m')
    preflight(c, folder, code=0)


def a_quota_of_the_plan_itself_is_the_one_that_counts(c):
    own = 'apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: small}\nspec: {hard: {pods: "%d"}}\n'
    quota(c, 'quoown-dev', pods='1')
    folder = project(c, 'quoown', {'own': own % 9, 'web': workload('Deployment', 'web', replicas=2)})
    preflight(c, folder, '--dry-run', '--force-conflicts', code=0)
    open(os.path.join(folder, 'own.yaml'), 'w').write(own % 0)
    assert ['allows 0 of pods; this plan takes 2' in text for text in preflight(c, folder, code=2)] == [True]


def a_namespace_that_is_being_deleted_stops_what_would_go_into_it(c):
    held = '/api/v1/namespaces/going-elsewhere'
    c.ensure('/api/v1/namespaces', {'metadata': {'name': 'going-elsewhere'}})
    c.ensure(held + '/configmaps', {'metadata': {'name': 'held', 'finalizers': ['suite.test/hold']}})
    c.call('DELETE', held)
    folder = project(c, 'going', {'a': config_map('a', k='v').replace('{name: a}', '{name: a, namespace: going-elsewhere}')})
    run = slotdeck(c, folder, 'apply', '--env', 'dev')
    c.call('PATCH', held + '/configmaps/held', {'metadata': {'finalizers': None}}, 'application/merge-patch+json')
    assert run.code == 2 and 'going-elsewhere" is being deleted' in run.err, run


# ---- rights ----

def role(name, **rule):
    return 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: %s}\nrules: [%s]\n' % (name, json.dumps(rule))


def kubeconfig_of_a_deployer(cluster, namespace):
    """One who writes ConfigMaps, Leases and Roles of a namespace; on the simulation everything, but may neither read logs nor grant that."""
    cluster.ensure('/api/v1/namespaces', {'metadata': {'name': namespace}})
    if cluster.sim:
        cluster.call('POST', '/_sim/deny', [{'token': 'deployer', 'resource': 'pods/log'}, {'token': 'deployer', 'verb': 'escalate'},
                                            {'token': 'deployer', 'verb': 'bind'}])
        return cluster.kubeconfig_of('deployer', 'deployer')
    rbac, api = '/apis/rbac.authorization.k8s.io/v1/namespaces/' + namespace, '/api/v1/namespaces/' + namespace
    rules = [{'apiGroups': [group], 'resources': [resource], 'verbs': ['get', 'list', 'create', 'update', 'patch']} for group, resource in
             (('', 'configmaps'), ('', 'namespaces'), ('coordination.k8s.io', 'leases'), ('rbac.authorization.k8s.io', 'roles'),
              ('rbac.authorization.k8s.io', 'rolebindings'))]
    cluster.ensure(api + '/serviceaccounts', {'metadata': {'name': 'deployer'}})
    cluster.ensure(rbac + '/roles', {'metadata': {'name': 'deployer'}, 'rules': rules})
    cluster.ensure(rbac + '/rolebindings', {'metadata': {'name': 'deployer'}, 'subjects': [{'kind': 'ServiceAccount', 'name': 'deployer', 'namespace': namespace}],
                                            'roleRef': {'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'Role', 'name': 'deployer'}})
    cluster.ensure('/apis/rbac.authorization.k8s.io/v1/clusterroles', {'metadata': {'name': 'suite-sees-roles'}, 'rules': [
        {'apiGroups': ['rbac.authorization.k8s.io'], 'resources': ['clusterroles'], 'verbs': ['get']}]})
    cluster.ensure('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
        'metadata': {'name': 'suite-sees-roles-' + namespace}, 'subjects': [{'kind': 'ServiceAccount', 'name': 'deployer', 'namespace': namespace}],
        'roleRef': {'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'ClusterRole', 'name': 'suite-sees-roles'}})
    return cluster.kubeconfig_of('deployer', cluster.call('POST', api + '/serviceaccounts/deployer/token', {'spec': {}})[1]['status']['token'])


def a_role_that_grants_more_than_the_deployer_has_is_found(c):
    env = {'KUBECONFIG': kubeconfig_of_a_deployer(c, 'grant-dev')}
    manifests = {'held': role('held', apiGroups=[''], resources=['configmaps'], verbs=['get', 'create']),
                 'more': role('more', apiGroups=['', 'apps'], resources=['pods/log'], resourceNames=['p'], verbs=['get']),
                 'own': config_map('own', k='v')}
    folder = project(c, 'grant', manifests)
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight', '--output', 'jsonl', env=env)
    found = [e['text'] for e in run.events('finding') if e['severity'] == 'error']
    assert run.code == 4 and found == ['Role more grants what we have no right to ourselves: get pods/log, get pods/log.apps in namespace grant-dev'], (found, run)
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight', '--skip-services', 'more', env=env)
    assert run.code == 0, run
    if not c.sim:  # the simulation lets everybody grant everything
        run = slotdeck(c, folder, 'apply', '--env', 'dev', env=env)
        assert run.code == 4 and 'attempting to grant' in run.err, run


def a_binding_to_a_role_with_more_than_the_deployer_has_is_found(c):
    env = {'KUBECONFIG': kubeconfig_of_a_deployer(c, 'bind-dev')}
    c.ensure('/apis/rbac.authorization.k8s.io/v1/clusterroles', {'metadata': {'name': 'suite-reader'}, 'rules': [
        {'apiGroups': [''], 'resources': ['pods/log'], 'verbs': ['get']}]})
    c.ensure('/apis/rbac.authorization.k8s.io/v1/clusterroles', {'metadata': {'name': 'suite-writer'}, 'rules': [
        {'apiGroups': [''], 'resources': ['configmaps'], 'verbs': ['create']}]})
    binding = ('apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: %s}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: %s}\n'
               'subjects: [{kind: ServiceAccount, name: default}]\n')
    manifests = {'reads': binding % ('reads', 'ClusterRole', 'suite-reader'), 'writes': binding % ('writes', 'ClusterRole', 'suite-writer'),
                 'held': role('held', apiGroups=[''], resources=['configmaps'], verbs=['get']), 'holds': binding % ('holds', 'Role', 'held')}
    folder = project(c, 'bind', manifests)
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight', '--output', 'jsonl', env=env)
    found = [e['text'] for e in run.events('finding') if e['severity'] == 'error']
    assert run.code == 4 and found == ['RoleBinding reads grants what we have no right to ourselves: get pods/log in namespace bind-dev'], (found, run)
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight', '--skip-services', 'reads', env=env)
    assert run.code == 0, run
    if not c.sim:
        run = slotdeck(c, folder, 'apply', '--env', 'dev', env=env)
        assert run.code == 4 and 'attempting to grant' in run.err, run


# ---- on the simulation only: denials are its switches ----

def each_right_that_the_run_needs_is_asked_for_and_named(c):
    table = [  # denied verb and resource, more arguments, what is told
        ('patch', 'deployments', [], 'no right to patch deployments.apps in namespace right-dev'),
        ('create', 'configmaps', [], 'no right to create configmaps in namespace right-dev'),
        ('update', 'leases', [], 'no right to update leases.coordination.k8s.io in namespace right-dev'),
        ('delete', 'configmaps', ['--prune'], 'no right to delete configmaps in namespace right-dev'),
        ('get', 'leases', [], 'no right to get leases.coordination.k8s.io in namespace right-dev'),
        ('create', 'namespaces', [], 'no right to create namespaces'),
        ('watch', 'pods', ['--wait'], 'no right to watch pods in namespace right-dev'),
        ('list', 'deployments', ['--wait'], 'no right to list deployments.apps in namespace right-dev'),
    ]
    folder = project(c, 'right', {'web': workload('Deployment', 'web'), 'a': config_map('a', k='v')})
    for verb, resource, args, text in table:
        c.call('POST', '/_sim/deny', [{'verb': verb, 'resource': resource}])
        found = preflight(c, folder, *args, code=4)
        assert text in found, (text, found)
    assert c.get('/api/v1/namespaces/right-dev') is None


def a_right_that_the_run_does_not_need_is_not_asked_for(c):
    folder = project(c, 'noright', {'web': workload('Deployment', 'web'), 'a': config_map('a', k='v')})
    preflight(c, folder, code=0)
    c.call('POST', '/_sim/deny', [{'verb': 'create', 'resource': 'configmaps'}, {'verb': 'create', 'resource': 'leases'}, {'verb': 'watch', 'resource': 'pods'},
                                  {'verb': '*', 'resource': 'secrets'}, {'verb': 'delete', 'resource': 'configmaps'}])
    preflight(c, folder, code=0)


def what_may_be_written_but_not_read_is_a_warning_and_applied(c):
    folder = project(c, 'blindly', {'s': 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {token: x}\n'})
    c.call('POST', '/_sim/deny', [{'verb': verb, 'resource': 'secrets'} for verb in ('get', 'list', 'watch')])
    for _ in range(2):
        run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight')
        assert run.code == 0 and "warning: no right to get secrets in namespace blindly-dev: what is there can't be compared" in run.err, run


def a_claim_without_a_class_is_told_when_none_is_the_default(c):
    claim = 'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: v}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n'
    folder = project(c, 'noclass', {'v': claim})
    c.ensure('/apis/storage.k8s.io/v1/storageclasses', {'metadata': {'name': 'usual', 'annotations': {'storageclass.kubernetes.io/is-default-class': 'true'}},
                                                        'provisioner': 'x'})
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight', '--dry-run')
    assert run.code == 0 and 'none is the default' not in run.err, run
    for item in c.get('/apis/storage.k8s.io/v1/storageclasses')['items']:
        c.call('DELETE', '/apis/storage.k8s.io/v1/storageclasses/' + item['metadata']['name'])
    run = slotdeck(c, folder, 'apply', '--env', 'dev', '--preflight', '--dry-run')
    assert run.code == 0 and 'none is the default' in run.err, run


SIM_ONLY = [what_may_be_written_but_not_read_is_a_warning_and_applied, a_claim_without_a_class_is_told_when_none_is_the_default, each_right_that_the_run_needs_is_asked_for_and_named, a_right_that_the_run_does_not_need_is_not_asked_for]
