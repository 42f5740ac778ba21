"""Real OpenAPI documents: every operation is a tool or the log says why not, and generated calls pass a server that
validates requests against the same document (prism)."""

import json
import pathlib
import re
import resource
import socket
import subprocess
import threading
import time

import jsonschema
import pytest
import yaml

import peers

PACKAGES = peers.NODE / "documents" / "node_modules"
OAS = PACKAGES / "@readme/oas-examples"
METHODS = {"get", "put", "post", "patch", "delete", "head", "options", "trace"}


def documents():
    found = sorted(OAS.glob("*/json/*.json")) + sorted(OAS.glob("*/yaml/*.yaml"))
    found += [PACKAGES / "@scalar/galaxy/dist/3.1.json", PACKAGES / "@scalar/galaxy/dist/3.1.yaml",
              PACKAGES / "@figma/rest-api-spec/openapi/openapi.yaml", PACKAGES / "rclone-openapi/openapi.json",
              PACKAGES / "@octokit/openapi/generated/api.github.com.json"]
    return [p for p in found if p.exists()]


def name_of(path):
    return str(path).split("node_modules/")[-1]


def load(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    return json.loads(text) if str(path).endswith(".json") else yaml.safe_load(text)


def operations(document):
    paths = document.get("paths") or {}

    def item(i):
        return item(paths[i["$ref"].split("/")[-1].replace("~1", "/").replace("~0", "~")]) if isinstance(i, dict) and "#/paths/" in i.get("$ref", "") else i
    return [(p, m) for p, i in paths.items() if isinstance(item(i), dict) for m in item(i) if m in METHODS]


def schemes(document):
    found = document.get("securityDefinitions") or (document.get("components") or {}).get("securitySchemes") or {}
    return [n for n, s in found.items() if s.get("type") != "mutualTLS" and s.get("scheme", "").lower() not in ("digest",)]


def configuration(document, path, url):
    names = ", ".join(f'"{n}": vault:k' for n in schemes(document))
    secret = f", secrets: {{{names}}}" if names else ""
    return (f"auth: {{type: static}}\nservers:\n  api: {{openapi: {path}, url: \"{url}\"{secret}}}\nrules:\n  - {{allow: api}}\n"
            "limits: {calls: 100000/min}\n")


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_every_operation_is_a_tool_or_the_log_says_why(tmp_path, path):
    document = load(path)
    wanted = len(operations(document))
    if not wanted:
        pytest.skip("has no operation")
    c = tmp_path / "sallyport.yaml"
    c.write_text(configuration(document, path, "https://api.test"))
    done = subprocess.run([peers.SALLYPORT, "check", "-c", c], capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    tools = re.search(r"^ok: 1 server, (\d+) tools?", said, re.M)
    left_out = re.search(r"(\d+) of (\d+) operations are no tools", said)
    assert tools or (left_out and left_out.group(1) == left_out.group(2)), said[-1500:]
    assert int(tools.group(1) if tools else 0) + int(left_out.group(1) if left_out else 0) == wanted, said[-1500:]
    # Each with its reason; from two hundred on they are counted.
    if left_out:
        named = set(re.findall(r"no tool: ([A-Z]+ \S+): \S", said))
        assert len(named) == min(int(left_out.group(1)), 200), said[-1500:]
        methods = {(m.upper(), p) for p, m in operations(document)}
        assert all(tuple(n.split(" ", 1)) in methods for n in named), named


class Sample:
    """A value for a schema.  What cannot be given a fitting value is left out where it may be."""

    def __init__(self, root):
        self.root, self.depth = root, 0

    def fits(self, value, s):
        return jsonschema.Draft202012Validator({"$defs": self.root.get("$defs", {}), "allOf": [s]}).is_valid(value)

    def of(self, s):
        if s is True or not isinstance(s, dict):
            return "text"
        s = self.flat(s)
        for value in [s[k] for k in ("const", "default", "example") if k in s] + list(s.get("examples") or []) + list(s.get("enum") or []):
            if self.fits(value, s):
                return value
        for key in ("oneOf", "anyOf"):
            if s.get(key):
                return self.branch(s, key)
        kind = s.get("type", "object" if "properties" in s else "string")
        kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
        return getattr(self, kind)(s)

    def branch(self, s, key):
        """The first branch whose value fits; of open objects that allow each other's, one that spoils the others."""
        rest, found = {k: v for k, v in s.items() if k != key}, []
        for i, part in enumerate(s[key]):
            value = self.of({"allOf": [part, rest]})
            found.append(value)
            if isinstance(value, dict):
                found.append(self.spoilt(value, [self.flat(p) for p in s[key][:i] + s[key][i + 1:]]))
        return next((v for v in found if self.fits(v, s)), found[0])

    def spoilt(self, value, others):
        wrong = {k: next((w for w in (0, "", True, {}) if not self.fits(w, p)), None) for o in others for k, p in o.get("properties", {}).items()}
        return {**{k: w for k, w in wrong.items() if w is not None}, **value}

    def flat(self, s):
        if not isinstance(s, dict):
            return {}
        if "$ref" in s:
            target = self.root
            for part in s["$ref"].lstrip("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            return self.flat(target)
        if "allOf" not in s:
            return s
        out = {k: v for k, v in s.items() if k != "allOf"}
        for part in s["allOf"]:
            part = self.flat(part)
            for k, v in part.items():
                if k == "properties":
                    out["properties"] = {**out.get("properties", {}), **v}
                elif k == "required":
                    out["required"] = sorted(set(out.get("required", []) + v))
                else:
                    out.setdefault(k, v)
        return out

    def object(self, s):
        self.depth += 1
        value = {}
        for k, v in s.get("properties", {}).items() if self.depth < 12 else ():
            member, must = None, k in s.get("required", ())
            if must or self.depth < 4:
                member = self.of(v)
            if must or (self.depth < 4 and self.fits(member, v)):
                value[k] = member
        self.depth -= 1
        return value

    def array(self, s):
        one = self.of(s.get("items", {}))
        return [one] * (s.get("minItems", 1) if self.fits(one, s.get("items", {})) else 0)

    def string(self, s):
        known = {"date": "2026-01-02", "date-time": "2026-01-02T03:04:05Z", "uuid": "0b7e3a3c-53a5-4f0c-8c4f-9d1a0f0a0b0c", "email": "a@b.test",
                 "uri": "https://a.test/x", "url": "https://a.test/x", "byte": "dGV4dA==", "binary": "dGV4dA==", "ipv4": "192.0.2.1",
                 "hostname": "a.test", "time": "03:04:05Z"}
        if s.get("contentEncoding") == "base64":
            return "dGV4dA=="
        text = known.get(s.get("format"), "text")
        return text.ljust(s.get("minLength", 0), "x")[:s.get("maxLength", 1000)]

    def integer(self, s):
        least = max(s.get("minimum", 1), s.get("exclusiveMinimum", 0) + 1)
        step = s.get("multipleOf", 1)
        return -(-least // step) * step

    def number(self, s):
        return self.integer(s)

    def boolean(self, s):
        return True

    def null(self, s):
        return None


SMALL = ["2.0/json/petstore.json", "3.0/json/petstore.json", "3.1/json/petstore.json", "3.0/json/parameters-style.json", "3.1/json/parameters-style.json",
         "3.0/json/parameters-cookies.json", "3.0/json/security.json", "3.0/json/security-multiple.json", "3.0/json/form-data.json",
         "3.0/json/file-uploads.json", "3.0/json/schema-types.json", "3.0/json/polymorphism.json", "3.0/json/star-trek.json", "3.1/json/train-travel.json",
         "galaxy"]


def parts(*given):
    """The body of a multipart request, with @ for its boundary: (name, bytes, other header lines)."""
    body = "".join(f'--@\r\nContent-Disposition: form-data; name="{name}"{"".join(more)}\r\n\r\n{text}\r\n' for name, text, *more in given)
    return body + "--@--\r\n"


LIST = ["a", "b&c"]         # what `array` is for a request that prism cannot judge
TEXT, REPEATED = ("primitive", "text"), [("array", v) for v in LIST]
OBJECT = ("object", '{"foo":"text","bar":"text"}', "\r\nContent-Type: application/json")
MEMBERS = "name,text,description,text"

# What prism 5 cannot judge: the request must be these bytes instead, as a plain socket receives them.
#
# It reads the value of a path as its own template would have written it, so that one with a comma becomes a list, and the process ends:
# "TypeError: value.split is not a function", for label and matrix "parameters[name].startsWith is not a function".
PATHS = {
    "api_paths_label_nonExploded": f"GET /anything/path/label/.text/.a,b%26c/.{MEMBERS}",
    "api_paths_matrix_nonExploded": f"GET /anything/path/matrix/;primitive=text/;array=a,b%26c/;object={MEMBERS}",
    "api_paths_simple_exploded": "POST /anything/path/simple/text/a,b%26c/name=text,description=text",
    "api_paths_simple_nonExploded": f"GET /anything/path/simple/text/a,b%26c/{MEMBERS}",
    "api_paths_standard": f"GET /anything/path/text/a,b%26c/{MEMBERS}",
}
# The process ends: "Space/pipe/comma.. delimited style is only applicable to array parameter"; OpenAPI has it for objects, too.
DELIMITED = {
    "api_query_pipeDelimited_nonExploded": "GET /anything/query/pipeDelimited?array=a%7Cb%26c&object=name%7Ctext%7Cdescription%7Ctext",
    "api_query_spaceDelimited_nonExploded": "GET /anything/query/spaceDelimited?array=a%20b%26c&object=name%20text%20description%20text",
}
# Every part is one text to it, the last of a name: "must be array", "must be object" (parseMultipartFormDataParams).
STANDARD = {"api_formData_standard": "POST /anything/form-data\n" + parts(TEXT, *REPEATED, OBJECT)}
UNJUDGED = {
    # It follows the style of a part, which OpenAPI 3.0.3 says to ignore outside application/x-www-form-urlencoded, and then finds
    # "Reserved characters" in the JSON of the object.
    "3.0/json/parameters-style.json": {
        **PATHS, **DELIMITED, **STANDARD,
        "api_formData_form_nonExploded": "POST /anything/form-data/form\n" + parts(TEXT, *REPEATED, OBJECT),
        "api_form_data_form_exploded": "PUT /anything/form-data/form\n" + parts(TEXT, *REPEATED, OBJECT),
        "api_form_data_deepObject_exploded": "POST /anything/form-data/deepObject\n" + parts(TEXT, *REPEATED, OBJECT),
        "api_formData_spaceDelimited_nonExploded": "POST /anything/form-data/spaceDelimited\n" + parts(*REPEATED, OBJECT),
        "api_form_data_pipeDelimited_nonExploded": "POST /anything/form-data/pipeDelimited\n" + parts(*REPEATED, OBJECT),
    },
    # In 3.1 the style of a part counts.  "Reserved characters": the comma of the style itself; and DELIMITED again.
    "3.1/json/parameters-style.json": {
        **PATHS, **DELIMITED, **STANDARD,
        "api_formData_form_nonExploded": "POST /anything/form-data/form\n" + parts(TEXT, ("array", "a,b&c"), ("object", "foo,text,bar,text")),
        "api_form_data_pipeDelimited_nonExploded": "POST /anything/form-data/pipeDelimited\n" +
            parts(("array", "a|b&c"), ("object", "foo|text|bar|text")),
    },
    # As STANDARD: a list of files.
    "3.0/json/file-uploads.json": {
        "api_put_anything_multipart_formdata": "PUT /anything/multipart-formdata\n" + parts(
            ("filename", "text", '; filename="filename"', "\r\nContent-Type: application/octet-stream")),
    },
    # A readOnly member that is required must not be asked of a request; it knows that but inside oneOf: "must have required property 'id'".
    "galaxy": {"api_createCelestialBody": "POST /celestial-bodies\nBODY"},
}


class Plain:
    """Takes requests on a socket, answers 204, and keeps "METHOD target", and the body behind a line feed, with @ for a boundary."""

    def __init__(self):
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                with self.listener.accept()[0] as c:
                    c.settimeout(10)
                    self.seen.append(self.take(c))
                    c.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            except OSError:
                if self.listener.fileno() < 0:
                    return

    def take(self, c):
        got = b""
        while b"\r\n\r\n" not in got:
            got += c.recv(65536) or b"\r\n\r\n"
        head, body = got.split(b"\r\n\r\n", 1)
        line, *fields = head.decode().split("\r\n")
        fields = [tuple(f.split(": ", 1)) for f in fields]
        names = [n.lower() for n, _ in fields]
        values = dict(zip(names, (v for _, v in fields)))
        if len(set(names)) != len(names) or not line.endswith(" HTTP/1.1") or "transfer-encoding" in names:
            return f"no plain request: {head}"
        while len(body) < int(values.get("content-length", 0)):
            body += c.recv(65536) or b"the end" * 1000
        text, boundary = body.decode(), values.get("content-type", "").partition("multipart/form-data; boundary=")[2]
        return line.removesuffix(" HTTP/1.1") + ("\n" + (text.replace(boundary, "@") if boundary else text) if text else "")

    def stop(self):
        self.listener.close()


def every_tool(g, token):
    tools, cursor = [], None
    while True:
        page = g.rpc("tools/list", {"cursor": cursor} if cursor else {}, token).json()["result"]
        tools += page["tools"]
        cursor = page.get("nextCursor")
        if not cursor:
            return tools


def token_of(g):
    token = next(w for w in g.cli("token", "new", "e2e", "--days", "1").stdout.split() if w.startswith("spt_"))
    peers.wait_for("the token", lambda: g.rpc("ping", None, token).status == 200, 5)
    return token


def sample_of(tool):
    """Arguments for a tool; None: the sample is no good, and nothing is said about the gateway."""
    args = Sample(tool["inputSchema"]).of({k: v for k, v in tool["inputSchema"].items() if k not in ("default", "example", "examples")})
    return args if jsonschema.Draft202012Validator(tool["inputSchema"]).is_valid(args) else None


def small_document(small):
    return PACKAGES / "@scalar/galaxy/dist/3.1.json" if small == "galaxy" else OAS / small


@pytest.mark.parametrize("small", UNJUDGED)
def test_generated_calls_that_prism_cannot_judge_are_these_bytes(make_front, small):
    path, plain, bad = small_document(small), Plain(), []
    try:
        g = make_front(configuration(load(path), path, f"http://127.0.0.1:{plain.port}"), {"k": "user:secret-0123456789"})
        token = token_of(g)
        tools = {t["name"]: t for t in every_tool(g, token)}
        for name, wanted in UNJUDGED[small].items():
            args = sample_of(tools[name])
            if "array" in args:
                args["array"] = LIST
            plain.seen.clear()
            r = g.call(name, args, token).json()["result"]
            wanted = wanted.replace("BODY", json.dumps(args.get("body"), separators=(",", ":")))
            if r.get("isError") or plain.seen != [wanted]:
                bad.append((name, args, wanted, plain.seen, r))
        assert not bad, f"{len(bad)}: {bad[:3]}"
    finally:
        plain.stop()


@pytest.mark.parametrize("small", SMALL)
def test_generated_calls_pass_a_validating_server(tmp_path, make_front, small):
    path = small_document(small)
    document = load(path)
    prism = peers.Upstream(tmp_path, ["node", str(PACKAGES / ".bin/prism"), "mock", "-h", "127.0.0.1", "-p", "PORT", "--errors", str(path)])
    prism.start()
    try:
        g = make_front(configuration(document, path, f"http://127.0.0.1:{prism.port}"), {"k": "user:secret-0123456789"})
        token = token_of(g)
        tools = every_tool(g, token)
        assert tools
        bad, unfit = [], []
        for tool in tools:
            if tool["name"] in UNJUDGED.get(small, ()):
                continue
            args = sample_of(tool)
            if args is None:
                unfit.append(tool["name"])
                continue
            r = g.call(tool["name"], args, token).json()["result"]
            text = "".join(c.get("text", "") for c in r["content"])
            # An error status that the document itself declares is no fault of the request; prism's own findings are.
            if re.search(r"prism/errors#(?!NO_RESPONSE|NOT_ACCEPTABLE)", text) and '["response' not in text or \
                    (r.get("isError") and "the upstream answered" not in text):
                bad.append((tool["name"], args, text[:300]))
        assert not bad, f"{len(bad)} of {len(tools)}: {bad[:3]}"
        assert len(unfit) <= len(tools) // 5, unfit
    finally:
        prism.stop()


def test_the_github_document_is_fast(tmp_path):
    """Loads, and is listed; the figures are the bench's business, here only what nobody would wait for is refused."""
    path = PACKAGES / "@octokit/openapi/generated/api.github.com.json"
    c = tmp_path / "sallyport.yaml"
    c.write_text(f"auth: {{type: static}}\nservers:\n  gh: {{openapi: {path}, url: \"https://api.github.com\"}}\nrules:\n  - {{allow: gh}}\n")
    began = time.monotonic()
    done = subprocess.run([peers.SALLYPORT, "check", "-c", c], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    assert "1223 tools" in done.stdout + done.stderr, (done.stdout + done.stderr)[-300:]
    assert time.monotonic() - began < 10 * peers.PATIENCE
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
