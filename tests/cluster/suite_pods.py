"""The cluster suite's tests of what goes into pods: exec, shells, port-forward."""
import concurrent.futures, fcntl, pty, select, signal, socket, struct, termios
from harness import *

SIM_ONLY = []


def pod(name, annotations=None):
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name, 'annotations': annotations or {}},
            'spec': {'containers': [{'name': 'main', 'image': 'example.test/main:1'}]}}


def until(what, look, limit=60):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError('no %s after %d s' % (what, limit))


def running(c, namespace, selector=''):
    items = (c.get('/api/v1/namespaces/%s/pods%s' % (namespace, selector)) or {'items': []})['items']
    return [p['metadata']['name'] for p in items if not p['metadata'].get('deletionTimestamp') and
            any(s.get('state', {}).get('running') for s in p.get('status', {}).get('containerStatuses', []))]


def place(c, namespace):
    c.ensure('/api/v1/namespaces', {'metadata': {'name': namespace}})
    until('service account', lambda: c.get('/api/v1/namespaces/%s/serviceaccounts/default' % namespace))


def make_pod(c, namespace, name, annotations=None):
    place(c, namespace)
    c.ensure('/api/v1/namespaces/%s/pods' % namespace, pod(name, annotations))
    until('running pod ' + name, lambda: name in running(c, namespace))


def make_deployment(c, namespace, name):
    labels = {'app': name}
    place(c, namespace)
    c.ensure('/apis/apps/v1/namespaces/%s/deployments' % namespace,
             {'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': name},
              'spec': {'replicas': 1, 'selector': {'matchLabels': labels}, 'template': {'metadata': {'labels': labels}, 'spec': pod('x')['spec']}}})
    return until('running pod of ' + name, lambda: running(c, namespace))[0]


def run(c, *args, input=None):
    start = time.monotonic()
    done = subprocess.run([BIN, *args], cwd=c.folder, env=environment(c), input=input, stdin=None if input is not None else subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LIMIT)
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


# ---- exec ----

def a_command_in_a_pod_gives_its_output_apart_and_its_exit_status(c):
    make_pod(c, 'suite-exec', 'web')
    good = run(c, 'exec', '-n', 'suite-exec', 'web', '--', 'sh', '-c', 'echo to $HOSTNAME; echo wrong >&2; exit 42')
    assert good.code == 42 and good.out == 'to web\n' and good.err == 'wrong\n', good
    fine = run(c, 'exec', '-n', 'suite-exec', 'web', 'echo', 'a  b', '$HOME')
    assert fine.code == 0 and fine.out == 'a  b $HOME\n' and fine.err == '', fine


def input_and_output_of_a_command_may_be_large(c):
    make_pod(c, 'suite-large', 'web')
    text = ''.join('%d\n' % n for n in range(300000))
    counted = run(c, 'exec', '-i', '-n', 'suite-large', 'web', '--', 'wc', '-c', input=text)
    assert counted.code == 0 and counted.out.split() == [str(len(text))], counted
    copied = run(c, 'exec', '-i', '-n', 'suite-large', 'web', '--', 'cat', input=text)
    assert copied.code == 0 and copied.out == text, copied


def a_command_runs_in_some_running_pod_of_a_workload(c):
    name = make_deployment(c, 'suite-work', 'api')
    done = run(c, 'exec', '-n', 'suite-work', 'deployment/api', '--', 'sh', '-c', 'echo $HOSTNAME')
    assert done.code == 0 and done.out == name + '\n', done
    gone = run(c, 'exec', '-n', 'suite-work', 'deploy/nobody', '--', 'ls')
    assert gone.code == 1 and 'there is no Deployment nobody' in gone.err, gone


def what_keeps_a_command_from_running_is_told(c):
    make_pod(c, 'suite-why', 'web')
    nobody = run(c, 'exec', '-n', 'suite-why', 'nobody', '--', 'ls')
    assert nobody.code == 1 and 'pods "nobody" not found' in nobody.err, nobody
    container = run(c, 'exec', '-n', 'suite-why', '--container', 'side', 'web', '--', 'ls')
    assert container.code == 1 and 'side' in container.err, container
    rights = run(c, 'exec', '-n', 'suite-why', '--kubeconfig', c.of_somebody_who_may_only_look(), 'web', '--', 'ls')
    assert rights.code == 4 and 'pods/exec' in rights.err and 'create' in rights.err, rights
    locked = run(c, 'exec', '-n', 'suite-why', '--read-only', 'web', '--', 'ls')
    assert locked.code == 4 and 'read-only' in locked.err, locked
    assert run(c, 'exec', '-n', 'suite-why', 'web').code == 2
    assert run(c, 'exec').code == 2


def read_until(fd, text, limit=30):
    """What comes up to text, text included."""
    seen, end = b'', time.monotonic() + limit
    while text.encode() not in seen:
        assert time.monotonic() < end, (text, seen)
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 65536)
    return seen.decode()


def a_shell_in_a_pod_has_our_terminal_and_its_size(c):
    make_pod(c, 'suite-shell', 'web')
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 91, 0, 0))
    before = termios.tcgetattr(theirs)
    child = subprocess.Popen([BIN, 'exec', '-it', '-n', 'suite-shell', 'web', '--', 'sh'], cwd=c.folder, env=environment(c),
                             stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    try:
        read_until(ours, '# ') if c.sim else time.sleep(1)
        os.write(ours, b'stty size\r')
        read_until(ours, '33 91')
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 120, 0, 0))
        child.send_signal(signal.SIGWINCH)  # it is no job of this terminal, so the kernel sends none
        until('new size', lambda: os.write(ours, b'stty size\r') and '40 120' in read_until(ours, '# '))
        os.write(ours, b'exit 5\r')
        until('end', lambda: child.poll() is not None or (select.select([ours], [], [], 0)[0] and os.read(ours, 65536) and False))
        assert child.returncode == 5, child.returncode
        assert termios.tcgetattr(theirs) == before
    finally:
        child.kill()
        child.wait()
        os.close(ours)
        os.close(theirs)


# ---- port-forward ----

class Forward:
    """slotdeck port-forward, and the local port that it says."""

    def __init__(self, c, *args):
        self.child = subprocess.Popen([BIN, 'port-forward', *args], cwd=c.folder, env=environment(c), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.line = self.child.stdout.readline()
        match = re.match(r'127\.0\.0\.1:(\d+) -> ', self.line)
        self.port = int(match.group(1)) if match else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.communicate()

    def fetch(self, path):
        with urllib.request.urlopen('http://127.0.0.1:%d%s' % (self.port, path), timeout=30) as answer:
            return answer.read()

    def end(self):
        self.child.send_signal(signal.SIGINT)
        out, err = self.child.communicate(timeout=10)
        return Run(self.child.returncode, out, err, 0)


def a_forwarded_port_answers_as_the_pod_does(c):
    make_pod(c, 'suite-port', 'web', {'testbed/closed-ports': '9090'})
    with Forward(c, '-n', 'suite-port', 'web', ':80') as forward:
        assert b'hello from' in forward.fetch('/some/page') and b'/some/page' in forward.fetch('/some/page')
        assert len(forward.fetch('/bytes/5000000')) == 5000000
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(b'hello from' in page for page in pool.map(forward.fetch, ['/%d' % n for n in range(40)]))
        ended = forward.end()
        assert ended.code == 130 and ended.err == '', ended


def a_port_on_which_nobody_listens_is_told(c):
    make_pod(c, 'suite-deaf', 'web', {'testbed/closed-ports': '9090'})
    with Forward(c, '-n', 'suite-deaf', 'web', ':9090') as forward:
        with socket.create_connection(('127.0.0.1', forward.port), timeout=30) as caller:
            try:
                assert caller.recv(10) == b''
            except ConnectionResetError:
                pass
        line = forward.child.stderr.readline()
        assert 'forward to pod web, port 9090' in line and 'refused' in line, line


def a_forward_to_a_workload_goes_on_with_another_pod(c):
    first = make_deployment(c, 'suite-swap', 'api')
    with Forward(c, '-n', 'suite-swap', 'deployment/api', ':80') as forward:
        assert first in forward.line and b'hello from' in forward.fetch('/')
        c.call('DELETE', '/api/v1/namespaces/suite-swap/pods/%s?gracePeriodSeconds=0' % first)
        until('another pod', lambda: [p for p in running(c, 'suite-swap') if p != first])

        def answers():
            try:
                return b'hello from' in forward.fetch('/')
            except OSError:
                return False
        until('answer of the other pod', answers)


def a_local_port_that_is_taken_ends_with_7(c):
    make_pod(c, 'suite-taken', 'web')
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = run(c, 'port-forward', '-n', 'suite-taken', 'web', '%d:80' % port)
        assert done.code == 7 and str(port) in done.err, done
    assert run(c, 'port-forward', '-n', 'suite-taken', 'web', 'http').code == 2
    assert run(c, 'port-forward', '-n', 'suite-taken', 'web').code == 2
    assert run(c, 'port-forward', '-n', 'suite-taken', '--read-only', 'web', ':80').code == 4


# ---- building images ----

def a_build_that_finds_no_node_leaves_no_job_pod_or_secret(c):
    """Whether the server takes the Job and its Secret as they are, and that the time limit takes them away again."""
    folder = project(c, 'suite-build', {})
    with open(os.path.join(folder, 'services.yaml'), 'a') as f:
        f.write("images: {web: {type: build, repository: registry.example.test/web, tag: '1', buildArgs: {VERSION: '1'}}}\n")
    with open(os.path.join(folder, 'Dockerfile'), 'w') as f:
        f.write('FROM scratch\nCOPY . /\n')
    with open(os.path.join(folder, 'config.json'), 'w') as f:
        json.dump({'auths': {'registry.example.test': {'username': 'me', 'password': 'pa55word'}}}, f)
    place(c, 'suite-build-dev')
    c.watch_requests()
    c.forget_requests()
    done = slotdeck(c, folder, 'images', 'build', '--env', 'dev', '--builder-cpu', '1000', '--builder-memory', '1Gi', '--timeout', '6s',
                    env={'DOCKER_CONFIG': folder})
    assert done.code == 5 and 'no node takes the pod' in done.err, done
    assert 'pa55word' not in done.out + done.err, done
    made = [r['path'] for r in c.writes() if r['method'] == 'PATCH']
    assert any('/jobs/build-web-1-' in path for path in made) and any('/secrets/build-web-1-' in path for path in made), made
    for path in ('/apis/batch/v1/namespaces/suite-build-dev/jobs', '/api/v1/namespaces/suite-build-dev/pods', '/api/v1/namespaces/suite-build-dev/secrets'):
        left = [o['metadata']['name'] for o in c.get(path)['items'] if o['metadata']['name'].startswith('build-')]
        assert not left, (path, left)
