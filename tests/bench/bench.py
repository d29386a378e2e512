"""What the measuring programs of this folder share: running a command once from a small parent, comparing two in turns, the testbed."""
import os, re, shutil, statistics, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('SLOTDECK_BIN', os.path.join(ROOT, 'build/release/slotdeck'))
HERE = os.path.join(ROOT, 'tests/bench')
TESTBED = os.path.join(ROOT, 'tests/cluster/testbed')
os.environ['PATH'] += ':/usr/local/go/bin'
SIZE, LIMIT_S = '120x40', 60  # of the terminal; for what must come to its screen


class Unavailable(Exception):
    """Something that is not here, as a sentence: what hangs on it is left out, and the table says so."""


class Run:
    """One finished run: seconds, cpu_s, peak_mib, code, and what it wrote to stdout and stderr (paths)."""

    def __init__(self, work, argv, cwd, env):
        self.out, self.err = work + '/out', work + '/err'
        with open(self.err, 'w') as err:
            line = subprocess.run([launcher(work), self.out, *argv], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err,
                                  text=True, check=True).stdout.split()
        self.seconds, self.cpu_s, self.peak_mib, self.code = float(line[0]), float(line[1]), int(line[2]) / 1024, int(line[3])

    def last_words(self):
        return ' '.join(open(self.err, errors='replace').read().split('\n')[-4:]).strip()


def launcher(work):
    """launch.c says why the programs are not started from here."""
    path = os.path.join(work, 'launch')
    if not os.path.exists(path):
        subprocess.run(['gcc', '-O2', '-static', '-o', path, HERE + '/launch.c'], check=True)
    return path


class Side:
    """One of the two that are compared: a command, and the runs it has had."""

    def __init__(self, argv, cwd, env):
        self.argv, self.cwd, self.env, self.runs = argv, cwd, env, []

    def run(self, work):
        self.runs.append(Run(work, self.argv, self.cwd, self.env))
        return self.runs[-1]

    def median(self):
        return statistics.median(r.seconds for r in self.runs)

    def peak(self):
        return max(r.peak_mib for r in self.runs)

    def failures(self):
        return [r for r in self.runs if r.code]


def in_turns(work, sides, runs, before=lambda side: None, after=lambda side, run: None):
    """A B A B …: runs each side that often; before precedes each run, after follows it."""
    for _ in range(runs):
        for side in sides:
            before(side)
            run = side.run(work)
            if run.code:
                print('%s ended with %d: %s' % (' '.join(side.argv[:3]), run.code, run.last_words()), file=sys.stderr)
            after(side, run)


def seconds(t):
    return '%.1f ms' % (t * 1e3) if t < 0.1 else '%.2f s' % t if t < 10 else '%.1f s' % t


class Table:
    """Rows of text, printed as they come and at the end as Markdown."""

    def __init__(self, *titles):
        self.titles, self.rows, self.failed = titles, [], False

    def add(self, *cells):
        self.rows.append(cells)
        print('  '.join(cells), flush=True)

    def compare(self, what, ours, theirs=None):
        failures = ours.failures() + (theirs.failures() if theirs else [])
        self.failed |= bool(failures)
        t, u = ours.median(), theirs.median() if theirs else None
        self.add(what + (' (%d failed)' % len(failures) if failures else ''), seconds(t), seconds(u) if u else '', '%.1f x' % (u / t) if u else '',
                 '%.0f MiB' % ours.peak(), '%.0f MiB' % theirs.peak() if theirs else '', str(len(ours.runs)))

    def fail(self, sentence):
        self.failed = True
        print(sentence, file=sys.stderr)

    def print(self):
        print('\n| ' + ' | '.join(self.titles) + ' |')
        print('| ' + ' | '.join('---' for _ in self.titles) + ' |')
        for row in self.rows:
            print('| ' + ' | '.join(row) + ' |')


class Testbed:
    """A control plane of its own, for the time of a `with`; or the folder of one that is running, which is left as it is."""

    def __init__(self, work, nodes, running=None):
        if not running and not shutil.which('go'):
            raise Unavailable('there is no Go tool chain for the testbed')
        self.dir, self.nodes, self.running = running or work + '/bed', nodes, running

    def start(self):
        for step in ([TESTBED + '/build'], [TESTBED + '/up', self.dir, '--nodes', str(self.nodes)]):
            done = subprocess.run(step, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                raise Unavailable('the testbed does not start: %s says %s' % (os.path.basename(step[0]), done.stderr.strip().split('\n')[-1]))

    def __enter__(self):
        if not self.running:
            self.start()
        env = dict(re.findall(r'export (\w+)=(.*)', open(self.dir + '/env').read()))
        self.bin, self.server, self.port = env['TESTBED_BIN'], env['TESTBED_SERVER'], env['TESTBED_PORT']
        self.kubeconfig = self.dir + '/token.kubeconfig'
        self.token = re.search(r'token: (\S+)', open(self.kubeconfig).read()).group(1)
        return self

    def __exit__(self, *_):
        if not self.running:
            subprocess.run([TESTBED + '/down', self.dir, '--wipe'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def env(self, kubeconfig=None):
        return {'PATH': os.environ['PATH'], 'HOME': self.dir, 'KUBECONFIG': kubeconfig or self.kubeconfig, 'TERM': 'xterm-256color', 'LC_ALL': 'C.UTF-8'}

    def tool(self, name, *args, check=True):
        """Runs a program of the testbed to its end and gives what it prints."""
        return subprocess.run([os.path.join(self.bin, name), *args], env=self.env(), check=check, capture_output=True, text=True).stdout

SIZE, LIMIT_S = '120x40', 60


def tree(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        try:
            for task in os.listdir('/proc/%d/task' % found[-1]):
                with open('/proc/%d/task/%s/children' % (found[-1], task)) as f:
                    todo += [int(child) for child in f.read().split()]
        except OSError:
            pass
    return found


def memory_mib(pid):
    """Resident now and at most, of the whole tree."""
    texts = [open('/proc/%d/status' % p).read() for p in tree(pid)]
    return [sum(int(n) for t in texts for n in re.findall(field + r':\s+(\d+)', t)) / 1024 for field in ('VmRSS', 'VmHWM')]


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


class Terminal:
    """The program on its pty; see terminal.c."""

    def __init__(self, work, argv, env):
        path = work + '/terminal'
        if not os.path.exists(path):
            subprocess.run(['gcc', '-O2', '-o', path, HERE + '/terminal.c', '-lvterm', '-lutil'], check=True)
        self.process = subprocess.Popen([path, SIZE, *argv], cwd=work, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        pid, self.begin = self.process.stdout.readline().split()
        self.pid, self.begin = int(pid), float(self.begin)

    def send(self, line):
        self.process.stdin.write(line + '\n')

    def answer(self):
        text = self.process.stdout.readline().strip()
        return None if text == '-' else text

    def ask(self, line):
        self.send(line)
        return self.answer()

    def wait(self, pattern):
        """Seconds from the start until the screen matches; None: it did not."""
        at = self.ask('wait %d %s' % (LIMIT_S, pattern))
        return None if at is None else float(at) - self.begin

    def cpu_s(self):
        total = 0
        for pid in tree(self.pid):
            fields = open('/proc/%d/stat' % pid).read().rsplit(')', 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf('SC_CLK_TCK')

    def over(self, work):
        """CPU seconds and bytes to the terminal while work() runs."""
        cpu, count = self.cpu_s(), int(self.ask('bytes'))
        work()
        return self.cpu_s() - cpu, int(self.ask('bytes')) - count

    def end(self):
        code = self.ask('end')
        self.process.wait()
        return code


def workplace():
    return tempfile.TemporaryDirectory(prefix='slotdeck-bench-')
