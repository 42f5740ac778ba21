"""Real OpenAPI documents: every operation is a tool or the log says why not, and generated calls pass a server that
validates requests against the same document (prism)."""

import json
import pathlib
import re
import resource
import subprocess
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
    # Each with its reason, up to twenty of them.
    assert not left_out or said.count("no tool: ") >= min(int(left_out.group(1)), 20) - 1, said[-1500:]


class Sample:
    """A value for a schema: the smallest that fits."""

    def __init__(self, root):
        self.root, self.depth = root, 0

    def of(self, s):
        if s is True or not isinstance(s, dict):
            return "text"
        if "$ref" in s:
            target = self.root
            for part in s["$ref"].lstrip("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            return self.of(target)
        for key in ("const", "default", "example"):
            if key in s:
                return s[key]
        if s.get("examples") and isinstance(s["examples"], list):
            return s["examples"][0]
        if s.get("enum"):
            return s["enum"][0]
        for key in ("oneOf", "anyOf"):
            if s.get(key) and not s.get("properties"):
                return self.of({**{k: v for k, v in s.items() if k != key}, **self.flat(s[key][0])})
        if "allOf" in s:
            return self.of(self.flat(s))
        kind = s.get("type", "object" if "properties" in s else "string")
        kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
        return getattr(self, kind)(s)

    def flat(self, s):
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
        value = {k: self.of(v) for k, v in s.get("properties", {}).items() if k in s.get("required", ()) or self.depth < 4} if self.depth < 12 else {}
        self.depth -= 1
        return value

    def array(self, s):
        return [self.of(s.get("items", {})) for _ in range(s.get("minItems", 1))]

    def string(self, s):
        known = {"date": "2026-01-02", "date-time": "2026-01-02T03:04:05Z", "uuid": "0b7e3a3c-53a5-4f0c-8c4f-9d1a0f0a0b0c", "email": "a@b.test",
                 "uri": "https://a.test/x", "url": "https://a.test/x", "byte": "dGV4dA==", "binary": "dGV4dA==", "ipv4": "192.0.2.1",
                 "hostname": "a.test", "time": "03:04:05Z"}
        if s.get("contentEncoding") == "base64":
            return "dGV4dA=="
        text = known.get(s.get("format"), "text")
        return text.ljust(s.get("minLength", 0), "x")[:s.get("maxLength", 1000)]

    def integer(self, s):
        return max(s.get("minimum", 1), s.get("exclusiveMinimum", 0) + 1 if not isinstance(s.get("exclusiveMinimum"), bool) else 1)

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


@pytest.mark.parametrize("small", SMALL)
def test_generated_calls_pass_a_validating_server(tmp_path, make_front, small):
    path = PACKAGES / "@scalar/galaxy/dist/3.1.json" if small == "galaxy" else OAS / small
    document = load(path)
    prism = peers.Upstream(tmp_path, ["node", str(PACKAGES / ".bin/prism"), "mock", "-h", "127.0.0.1", "-p", "PORT", "--errors", str(path)])
    prism.start()
    try:
        g = make_front(configuration(document, path, f"http://127.0.0.1:{prism.port}"), {"k": "user:secret-0123456789"})
        token = next(w for w in g.cli("token", "new", "e2e", "--days", "1").stdout.split() if w.startswith("spt_"))
        peers.wait_for("the token", lambda: g.rpc("ping", None, token).status == 200, 5)
        tools, cursor = [], None
        while True:
            page = g.rpc("tools/list", {"cursor": cursor} if cursor else {}, token).json()["result"]
            tools += page["tools"]
            cursor = page.get("nextCursor")
            if not cursor:
                break
        assert tools
        bad, unfit = [], []
        for tool in tools:
            sample = Sample(tool["inputSchema"])
            args = sample.of({k: v for k, v in tool["inputSchema"].items() if k not in ("default", "example", "examples")})
            try:
                jsonschema.Draft202012Validator(tool["inputSchema"]).validate(args)
            except jsonschema.ValidationError:
                unfit.append(tool["name"])      # the sample is no good: nothing is said about the gateway
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
