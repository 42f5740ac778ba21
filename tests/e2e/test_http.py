"""Area K of the threat list and the strictness table: one raw byte string a row, three checks a row.

(1) our answer, (2) nothing reached PowerDNS, (3) what follows the bad message on the connection is never parsed."""

import json
import socket
import time

import pytest

import peers

HEAD = "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
GET = "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: {host}\r\n"


def body(extra, text=PING):
    return HEAD + extra + "\r\n" + text


REFUSED = {
    # id: raw request ({host} is filled in); every one ends in an error answer or a close, and a closed connection
    "K01 CL and TE": body("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "K02 two lengths": body("Content-Length: 40\r\nContent-Length: 41\r\n"),
    "K02 the same length twice": body("Content-Length: 40\r\nContent-Length: 40\r\n"),
    "K02 a list of lengths": body("Content-Length: 40, 40\r\n"),
    **{f"K03 length {v!r}": body(f"Content-Length: {v}\r\n") for v in
       ("+40", "-1", "0x28", "4_0", "040", "40a", "", "18446744073709551616", "1" + "0" * 400, "4 0")},
    **{f"K04 coding {v!r}": body(f"Transfer-Encoding: {v}\r\n", "0\r\n\r\n") for v in
       ("chunked, chunked", ",chunked", "chunked,", "identity", "gzip, chunked", "xchunked", "chunked;q=1", "\x0bchunked")},
    "K04 two codings": body("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "K04 space before the colon": body("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    "K05 chunked in 1.0": body("Transfer-Encoding: chunked\r\n", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"),
    **{f"K06 chunk size {v!r}": body("Transfer-Encoding: chunked\r\n", v + "\r\n" + PING + "\r\n0\r\n\r\n") for v in
       ("0x28", "+28", "-28", "2_8", "", "1" * 17, " 28", "28;a\rb")},
    "K06 chunk line ended by LF": body("Transfer-Encoding: chunked\r\n", "28\n" + PING + "\r\n0\r\n\r\n"),
    "K07 chunk without its end": body("Transfer-Encoding: chunked\r\n", "28\r\n" + PING + "XX0\r\n\r\n"),
    "K09 bare LF": body("Content-Length: 40\r\n").replace("\r\n", "\n"),
    "K09 bare LF in one line": body("X-A: b\nContent-Length: 40\r\n"),
    "K09 bare CR": body("X-A: b\rc\r\nContent-Length: 40\r\n"),
    "K09 NUL in a value": body("X-A: b\0c\r\nContent-Length: 40\r\n"),
    "K09 NUL in a name": body("X\0A: b\r\nContent-Length: 40\r\n"),
    "K09 obs-fold": body("X-A: b\r\n c\r\nContent-Length: 40\r\n"),
    "K09 space before the first field": HEAD.replace("Host", " Host") + "Content-Length: 40\r\n\r\n" + PING,
    "K09 empty name": body(": b\r\nContent-Length: 40\r\n"),
    "K09 no colon": body("nonsense\r\nContent-Length: 40\r\n"),
    "K09 byte over 0x7f in a name": body("X-\xe9: b\r\nContent-Length: 40\r\n"),
    "K09 control in a value": body("X-A: b\x01c\r\nContent-Length: 40\r\n"),
    "K10 odd method": body("Content-Length: 40\r\n").replace("POST", 'G=":'),
    "K10 lower-case method": body("Content-Length: 40\r\n").replace("POST", "post"),
    "K10 long method": body("Content-Length: 40\r\n").replace("POST", "A" * 1024),
    **{f"K10 version {v}": body("Content-Length: 40\r\n").replace("HTTP/1.1", v) for v in
       ("HTTP/1.32", "HTTP/2.0", "HTTP/01.1", "HTTP/1", "http/1.1", "HTTP/1.2")},
    "K10 no version": "GET /mcp\r\n\r\n",
    "K11 space in the target": body("Content-Length: 40\r\n").replace("/mcp", "/m cp"),
    "K11 raw UTF-8 in the target": body("Content-Length: 40\r\n").replace("/mcp", "/m\u00c3\u00a9"),
    "K11 absolute form of another host": body("Content-Length: 40\r\n").replace("/mcp", "http://evil.test/mcp"),
    "K11 long target": body("Content-Length: 40\r\n").replace("/mcp", "/" + "a" * 65536),
    "K12 many fields": body("".join(f"X-{i}: b\r\n" for i in range(1000)) + "Content-Length: 40\r\n"),
    "K12 a long field": body("X-A: " + "b" * 100000 + "\r\nContent-Length: 40\r\n"),
    "K13 no Host": body("Content-Length: 40\r\n").replace("Host: {host}\r\n", ""),
    "K13 two Hosts": body("Host: {host}\r\nContent-Length: 40\r\n"),
    "K13 D14 bad Host": body("Content-Length: 40\r\n").replace("Host: {host}", "Host: {host}/health?"),
    "D14 Host with userinfo": body("Content-Length: 40\r\n").replace("Host: {host}", "Host: a@{host}"),
    "D14 empty Host": body("Content-Length: 40\r\n").replace("Host: {host}", "Host: "),
    "D21 HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "K24 CONNECT": "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_request_is_refused_and_the_connection_closed(gateway, name):
    host = f"127.0.0.1:{gateway.port}"
    bad = REFUSED[name].replace("{host}", host).encode("latin-1")
    canary = GET.replace("{host}", host).encode() + b"\r\n"
    got, closed = gateway.raw(bad + canary)
    assert closed, got
    status = got.split(b" ", 2)[1] if got else b"closed"
    assert status in (b"400", b"413", b"414", b"417", b"421", b"431", b"501", b"505", b"405", b"404", b"401", b"closed"), got[:200]
    assert b"200" != status and got.count(b"HTTP/1.1 ") <= 1, got
    assert b"bearer_methods" not in got and b'"resource"' not in got, "the bytes behind a bad message were parsed"
    assert gateway.request("GET", "/.well-known/oauth-protected-resource/mcp").status == 200


def test_valid_forms_are_served(gateway, reader):
    host = f"127.0.0.1:{gateway.port}"
    auth = f"Authorization: Bearer {reader}\r\n"
    for extra, text in ((f"Content-Length: {len(PING)}\r\n", PING),
                        ("Transfer-Encoding: chunked\r\n", f"{len(PING):x}\r\n{PING}\r\n0\r\n\r\n"),
                        ("Transfer-Encoding: Chunked\r\n", f"5;ext=1\r\n{PING[:5]}\r\n{len(PING) - 5:X}\r\n{PING[5:]}\r\n0\r\nX-Trailer: 1\r\n\r\n")):
        got, _ = gateway.raw((HEAD.replace("{host}", host) + auth + "Connection: close\r\n" + extra + "\r\n" + text).encode())
        assert got.startswith(b"HTTP/1.1 200") and got.endswith(b'"result":{}}'), got


def test_k08_trailers_are_never_merged(gateway):
    host = f"127.0.0.1:{gateway.port}"
    got, _ = gateway.raw((HEAD.replace("{host}", host) + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                          f"{len(PING):x}\r\n{PING}\r\n0\r\nAuthorization: Bearer x\r\n\r\n").encode())
    assert got.startswith(b"HTTP/1.1 401") and b"error=" not in got


def test_split_at_every_byte(gateway, reader):
    host = f"127.0.0.1:{gateway.port}"
    text = (HEAD.replace("{host}", host) + f"Authorization: Bearer {reader}\r\nConnection: close\r\n"
            f"Content-Length: {len(PING)}\r\n\r\n" + PING).encode()
    s = socket.create_connection(("127.0.0.1", gateway.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(text)):
        s.sendall(text[i:i + 1])
    assert s.makefile("rb").read().startswith(b"HTTP/1.1 200")


def test_k14_pipelined_requests_are_answered_in_order_and_a_bad_one_ends_it(gateway, reader):
    host = f"127.0.0.1:{gateway.port}"

    def one(i):
        text = json.dumps({"jsonrpc": "2.0", "id": i, "method": "ping"})
        return HEAD.replace("{host}", host) + f"Authorization: Bearer {reader}\r\nContent-Length: {len(text)}\r\n\r\n{text}"

    got, closed = gateway.raw((one(1) + one(2) + one(3) + "BAD\r\n\r\n" + one(4)).encode())
    assert closed
    assert [b'"id":%d' % i in got for i in (1, 2, 3, 4)] == [True, True, True, False]
    assert got.index(b'"id":1') < got.index(b'"id":2') < got.index(b'"id":3')


def test_k15_auth_is_decided_before_100_continue(gateway, reader):
    host = f"127.0.0.1:{gateway.port}"
    head = HEAD.replace("{host}", host) + "Expect: 100-continue\r\nContent-Length: 40\r\n"
    got, closed = gateway.raw((head + "\r\n").encode(), timeout=3)
    assert got.startswith(b"HTTP/1.1 401") and b"100 Continue" not in got and closed
    s = socket.create_connection(("127.0.0.1", gateway.port))
    s.sendall((head + f"Authorization: Bearer {reader}\r\nConnection: close\r\n\r\n").encode())
    f = s.makefile("rb")
    assert f.readline().startswith(b"HTTP/1.1 100")
    f.readline()
    s.sendall(PING.encode())
    assert f.read().startswith(b"HTTP/1.1 200")
    got, _ = gateway.raw((HEAD.replace("{host}", host) + "Expect: x\r\nContent-Length: 40\r\n\r\n" + PING).encode())
    assert got.startswith(b"HTTP/1.1 417")


def test_k16_a_body_behind_a_401_is_not_the_next_request(gateway):
    host = f"127.0.0.1:{gateway.port}"
    smuggled = GET.replace("{host}", host) + "\r\n"
    got, _ = gateway.raw((HEAD.replace("{host}", host) + f"Content-Length: {len(smuggled)}\r\n\r\n" + smuggled).encode(), timeout=2)
    assert got.count(b"HTTP/1.1 ") == 1 and got.startswith(b"HTTP/1.1 401")


def test_l10_body_too_large_and_wrong_type(gateway, reader):
    big = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + "a" * (1 << 20) + '"}}'
    assert gateway.request(body=big, token=reader).status == 413
    assert gateway.request(body=PING, token=reader, headers={"Content-Type": "text/plain"}).status == 415
    assert gateway.request(body=PING, token=reader, headers={"Content-Type": None}).status == 415
    assert gateway.request(body=PING, token=reader, headers={"Content-Type": "application/json; charset=utf-16"}).status == 415


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/mcp", 400), ("DELETE", "/mcp", 400), ("PUT", "/mcp", 405), ("POST", "/", 404), ("GET", "/health/../mcp", 404),
    ("TRACE", "/mcp", 405), ("GET", "/nothing", 404)])
def test_methods_and_paths(gateway, reader, method, path, status):
    a = gateway.request(method, path, token=reader)
    assert a.status == status or (method == "TRACE" and a.status in (405, 501)), (a.status, a.body)


@pytest.mark.slow
def test_k17_slow_senders_end_and_others_are_served(make_gateway, issuer):
    g = make_gateway(extra="limits: {head_time: 1s, body_time: 1s, idle_time: 2s}\n")
    token = issuer.token(g.url, scope="dns:read")
    host = f"127.0.0.1:{g.port}"
    slow = []
    for text in ("POST /mcp HT", HEAD.replace("{host}", host) + f"Authorization: Bearer {token}\r\nContent-Length: 40\r\n\r\n{{", ""):
        for _ in range(20):
            s = socket.create_connection(("127.0.0.1", g.port))
            s.sendall(text.encode())
            slow.append(s)
    start = time.monotonic()
    for _ in range(50):
        assert g.rpc("ping", None, token).status == 200
    assert time.monotonic() - start < 5 * peers.PATIENCE
    for s in slow:
        s.settimeout(10 * peers.PATIENCE)
        data = b""
        while chunk := s.recv(4096):
            data += chunk
        assert data == b"" or data.startswith(b"HTTP/1.1 408"), data
    assert time.monotonic() - start < 20 * peers.PATIENCE


@pytest.mark.slow
def test_k18_more_connections_than_allowed(make_gateway, issuer):
    g = make_gateway(extra="limits: {connections: 64}\n")
    token = issuer.token(g.url, scope="dns:read")
    held = [socket.create_connection(("127.0.0.1", g.port)) for _ in range(400)]
    try:
        ok = sum(g.rpc("ping", None, token).status == 200 for _ in range(20))
        assert ok == 20, "idle connections gave no way"
    finally:
        for s in held:
            s.close()


def test_f07_f08_host_and_origin(gateway, reader):
    def status(**headers):
        return gateway.rpc("ping", None, reader, headers=headers).status

    assert status() == 200
    for host in ("evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "127.1", f"evil.com:{gateway.port}"):
        assert status(Host=host) in (421, 400, 403), host
    assert status(Host=f"localhost:{gateway.port}") == 200
    for origin in ("http://evil.com", "null", "https://localhost.evil", f"http://127.0.0.1:{gateway.port}.evil.com"):
        assert status(Origin=origin) == 403, origin
    assert status(Origin=f"http://127.0.0.1:{gateway.port}") == 200
    well_known = gateway.request("GET", "/.well-known/oauth-protected-resource/mcp", headers={"Host": "evil.com"})
    assert well_known.status == 421, "F09: the check holds everywhere"


def test_f01_f02_metadata_comes_from_the_configuration(gateway):
    a = gateway.request("GET", "/.well-known/oauth-protected-resource/mcp", headers={"X-Forwarded-Host": "evil.com"})
    m = a.json()
    assert a.status == 200 and m["resource"] == gateway.url and m["authorization_servers"] == ["https://issuer.test"]
    assert "offline_access" not in a.body.decode() and b"evil" not in a.body
    assert gateway.request("GET", "/.well-known/oauth-protected-resource").status in (200, 404)


def test_limits_of_a_head(gateway):
    host = f"127.0.0.1:{gateway.port}"
    for extra in ("X-A: " + "b" * 20000 + "\r\n", "".join(f"X-{i}: b\r\n" for i in range(150))):
        got, closed = gateway.raw((HEAD.replace("{host}", host) + extra + "\r\n").encode())
        assert got.startswith(b"HTTP/1.1 431") and closed, got[:80]
