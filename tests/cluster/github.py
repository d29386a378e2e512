"""A stand-in for GitHub's REST API: the comments of one repository's issues, on a free port of loopback."""
import http.server, json, re, threading, urllib.parse

TOKEN = 'stand-in-token'


class GitHub:
    def __init__(self, repo='example-org/example-repo', prefix=''):
        self.repo, self.prefix, self.comments, self.requests, self.answers = repo, prefix, [], [], []
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler(self))
        self.url = 'http://127.0.0.1:%d' % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def env(self, **more):
        return {'GITHUB_API_URL': self.url, 'CODEXCTL_GH_PAT': TOKEN, 'CODEXCTL_REPO': self.repo, **more}

    def comment(self, issue, body):
        self.comments.append({'id': 9000 + len(self.comments), 'issue': issue, 'body': body,
                              'html_url': 'https://github.test/%s/issues/%d#issuecomment-%d' % (self.repo, issue, 9000 + len(self.comments))})
        return self.comments[-1]

    def answer(self, method, path, query, body):
        """Status and body, as docs.github.com has them."""
        listed = re.fullmatch(r'%s/repos/%s/issues/(\d+)/comments' % (self.prefix, self.repo), path)
        single = re.fullmatch(r'%s/repos/%s/issues/comments/(\d+)' % (self.prefix, self.repo), path)
        if listed and method == 'POST':
            return 201, self.comment(int(listed.group(1)), body['body'])
        if listed and method == 'GET':
            size, page = int(query.get('per_page', 30)), int(query.get('page', 1))
            return 200, [c for c in self.comments if c['issue'] == int(listed.group(1))][(page - 1) * size:page * size]
        if single and method == 'PATCH':
            for comment in self.comments:
                if comment['id'] == int(single.group(1)):
                    comment['body'] = body['body']
                    return 200, comment
        return 404, {'message': 'Not Found'}


def handler(github):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def serve(self):
            path, _, query = self.path.partition('?')
            data = self.rfile.read(int(self.headers.get('Content-Length') or 0))
            github.requests.append((self.command, self.path))
            if self.headers.get('Authorization') != 'Bearer ' + TOKEN:
                status, body = 401, {'message': 'Bad credentials'}
            elif github.answers:
                status, body = github.answers.pop(0)
            else:
                status, body = github.answer(self.command, path, dict(urllib.parse.parse_qsl(query)), json.loads(data or b'null'))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header('Content-Type', 'application/json; charset=utf-8')
            self.send_header('Content-Length', str(len(text)))
            if status in (429, 503):
                self.send_header('Retry-After', '0')
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = serve

        def log_message(self, *_):
            pass

    return Handler
