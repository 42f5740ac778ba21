#!/usr/bin/env python3
"""Random rules and calls: the program (through the YAML loader and the compiled image) against model.py.

usage: differential.py POLICY_PROBE [SETS [SEED]]
"""
import json
import random
import subprocess
import sys
from decimal import Decimal

import model

TOOLS = {
    'docs.search': ('read', []), 'docs.get_page': ('read', ['public']),
    'dns.listZones': ('read', ['zones']), 'dns.createZone': ('write', ['zones']), 'dns.deleteZone': ('write', ['zones', 'pii']),
    'crm.export': ('read', ['pii']), 'crm.find': ('read', []), 'crm.set_note': ('write', ['notes']),
}
SCOPES = ['dns:read', 'dns:write', 'crm', 'pii', 'root']
IMPLIES = {'dns:write': ['dns:read'], 'root': ['dns:write', 'crm'], 'pii': []}
TAGS = ['ops', 'privacy', 'intern']
SOURCES = ['people', 'ci', 'static', 'anonymous']
USERS = {
    'people': ['ann', 'bob', '*', 'a/b'], 'ci': ['repo:acme/app', 'repo:evil/app', 'repo:acme/x/y'],
    'static': ['cron'], 'anonymous': [''],
}
PATTERNS = {'people': ['ann', 'b*', '**', 'a*'], 'ci': ['repo:acme/*', 'repo:acme/**', '**app'], 'static': ['cron', 'c*']}
TEXTS = ['a.test.', 'x/y', 'x', '', 'ann', 'bob', '*', 'a/../b', '..', './x', 'x%2e', 'a\\b', 'tab\there', 'é', '\x7f', 'a\u0085',
         'acme/**', 'true', '5', 'x/.y', 'x/y/z', '/x']
GLOBS = ['*.test.', '*', '**', 'x/*', 'x/**', '*/y', 'a*', '**y', '*x*', 'x/*/z']
NUMBERS = ['0', '5', '-0', '-1', '5.0', '4.999999999999999999999', '100', '100.0000000000000000001', '9007199254740993',
           '9007199254740992', '0.1', '-3.5']
JSON_NUMBERS = NUMBERS + ['5e0', '50E-1', '1e400', '0.1e0', '1E+2', '-0.0']
RANGES = ['0..100', '..5', '5..', '-1..0', '0.1..0.2', '9007199254740993..', '5..5', '..-1', '-3.5..4.999999999999999999999']
ARGUMENTS = ['zone', 'amount', 'flag', 'to', 'o.p', 'o.q.r']


class Number(Decimal):
    """A number that remembers how it is written."""

    def __new__(cls, text):
        n = super().__new__(cls, text)
        n.text = text
        return n


def pick(rng, xs, low=1, high=2):
    return rng.sample(xs, min(len(xs), rng.randint(low, high)))


def one_or_many(xs):
    return xs[0] if len(xs) == 1 else xs


def random_value(rng):
    kind = rng.choice(['text', 'glob', 'number', 'bool', 'range', 'user'])
    if kind == 'text':
        return rng.choice([t for t in TEXTS if t and not model.AMBIGUOUS.search(t)])
    if kind == 'glob':
        return rng.choice(GLOBS)
    if kind == 'number':
        return Number(rng.choice(NUMBERS))
    if kind == 'bool':
        return rng.random() < 0.5
    return rng.choice(RANGES) if kind == 'range' else '$user'


def random_conditions(rng):
    conds = {}
    for a in pick(rng, ARGUMENTS, 1, 2):
        values = []
        for _ in range(rng.randint(1, 3)):
            v = random_value(rng)
            if str(v) not in map(str, values):
                values.append(v)
        conds[a] = one_or_many(values)
    return conds


def random_group(rng):
    g = {}
    if rng.random() < 0.6:
        g['require_scopes'] = one_or_many(pick(rng, SCOPES))
    if not g or rng.random() < 0.4:
        g['restrict_tag'] = one_or_many(pick(rng, TAGS))
    return g


def random_target(rng):
    server = rng.choice(['docs', 'dns', 'crm', 'all'])
    return rng.choice([server, server, server + '.access:read', server + '.access:write', server + '.tag:pii',
                       server + '.tag:*', server + '.*', server + '.*e*', rng.choice(sorted(TOOLS)), rng.choice(sorted(TOOLS))])


def random_caller(rng):
    s = rng.choice(SOURCES)
    return rng.choice(['anyone', s, s + '/' + rng.choice(PATTERNS[s]) if s in PATTERNS else s])


def random_demands(rng, rule):
    if rng.random() < 0.4:
        rule['require_scopes'] = one_or_many(pick(rng, SCOPES))
    if rng.random() < 0.2:
        rule['restrict_tag'] = one_or_many(pick(rng, TAGS))
    if rng.random() < 0.2:
        rule['any'] = one_or_many([random_group(rng) for _ in range(rng.randint(1, 3))])
    if rng.random() < 0.15:
        rule['not'] = {'restrict_tag': one_or_many(pick(rng, TAGS))}
    scoped = 'require_scopes' in rule or any('require_scopes' in g for g in model.many(rule.get('any', [])))
    if scoped and rng.random() < 0.5:
        rule['missing_scopes'] = rng.choice(['challenge', 'list', 'hide'])


def random_rule(rng):
    verb = rng.choice(['allow'] * 6 + ['ask', 'guard', 'deny'])
    rule = {verb: one_or_many(sorted(set(random_target(rng) for _ in range(rng.randint(1, 2)))))}
    if rng.random() < 0.5:
        rule['for'] = one_or_many(sorted(set(random_caller(rng) for _ in range(rng.randint(1, 2)))))
    if rng.random() < 0.3:
        rule['when'] = random_conditions(rng)
    if rng.random() < 0.25:
        rule['unless'] = random_conditions(rng)
    if verb != 'deny' and rng.random() < 0.8:
        random_demands(rng, rule)
    if verb == 'guard' and not set(rule) & {'require_scopes', 'restrict_tag', 'any', 'not'}:
        rule['restrict_tag'] = rng.choice(TAGS)
    return rule


def random_argument(rng):
    kind = rng.choice(['text', 'text', 'number', 'number', 'bool', 'null', 'list', 'object'])
    if kind == 'text':
        return rng.choice(TEXTS)
    if kind == 'number':
        return Number(rng.choice(JSON_NUMBERS))
    if kind == 'bool':
        return rng.random() < 0.5
    return {'null': None, 'list': ['a.test.'], 'object': {'x': 'y'}}[kind]


def random_call(rng):
    source = rng.choice(SOURCES)
    args = {a: random_argument(rng) for a in ('zone', 'amount', 'flag', 'to') if rng.random() < 0.7}
    if rng.random() < 0.5:
        args['o'] = {'p': random_argument(rng), 'q': {'r': random_argument(rng)}}
    anonymous = source == 'anonymous'
    return {
        'tool': rng.choice(sorted(TOOLS)), 'source': source, 'user': rng.choice(USERS[source]),
        'scopes': [] if anonymous else pick(rng, SCOPES, 0, 3), 'tags': [] if anonymous else pick(rng, TAGS, 0, 2), 'args': args,
    }


# ---- to the program

def quoted(s):
    return json.dumps(s, ensure_ascii=True)


def yaml_value(v):
    if isinstance(v, bool):
        return 'true' if v else 'false'
    if isinstance(v, Decimal):
        return v.text
    if isinstance(v, list):
        return '[' + ', '.join(yaml_value(x) for x in v) + ']'
    if isinstance(v, dict):
        return '{' + ', '.join(quoted(k) + ': ' + yaml_value(x) for k, x in v.items()) + '}'
    return v if model.RANGE.fullmatch(v) and v != '..' else quoted(v)


def yaml_file(rules):
    lines = ['url: https://tools.example.com/mcp', 'auth:']
    for s in ('people', 'ci'):
        lines.append(f'  - {{type: jwt, name: {s}, issuer: https://{s}.example.com, keys: jwks.json}}')
    lines += ['  - {type: static}', '  - {type: anonymous}', 'scopes:']
    for s in SCOPES:
        implied = IMPLIES.get(s)
        lines.append(f'  {quoted(s)}: {{says: x' + (f', implies: {json.dumps(implied)}' if implied else '') + '}')
    lines.append('servers:')
    for s in ('docs', 'dns', 'crm'):
        lines.append(f'  {s}: {{openapi: {s}.json, url: https://{s}.example.com}}')
    lines.append('rules:')
    lines += ['  - ' + yaml_value(r) for r in rules]
    return '\n'.join(lines) + '\n'


def document(server):
    paths = {}
    for tool, (access, tags) in TOOLS.items():
        if tool.startswith(server + '.'):
            name = tool.partition('.')[2]
            method = 'get' if access == 'read' else 'post'
            paths['/' + name] = {method: {'operationId': name, 'tags': tags, 'responses': {}}}
    return json.dumps({'openapi': '3.1.0', 'info': {'title': server, 'version': '1'}, 'paths': paths})


def json_text(v):
    if isinstance(v, Decimal):
        return v.text
    if isinstance(v, dict):
        return '{' + ','.join(json.dumps(k) + ':' + json_text(x) for k, x in v.items()) + '}'
    if isinstance(v, list):
        return '[' + ','.join(map(json_text, v)) + ']'
    return json.dumps(v)


def call_text(c):
    plain = {k: v for k, v in c.items() if k != 'args'}
    plain['scopes'], plain['tags'] = ' '.join(c['scopes']), ' '.join(c['tags'])
    return json.dumps({**plain, 'args': json_text(c['args'])})


def run(probe, sets):
    text = []
    for rules, calls in sets:
        files = {s + '.json': document(s) for s in ('docs', 'dns', 'crm')}
        text.append(json.dumps({'yaml': yaml_file(rules), 'files': files}))
        text += [call_text(c) for c in calls]
        text.append('')
    done = subprocess.run([probe], input='\n'.join(text) + '\n', capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f'probe: status {done.returncode}: {done.stderr[-2000:]}')
    return done.stdout.splitlines()


# ---- comparing

def expect(world, rules, c):
    who = model.Caller(c['source'], c['user'], c['scopes'], c['tags'])
    return model.decide(world, rules, c['tool'], who, c['args'])


def show(outcome, shown, wanted):
    return f'{outcome} {"listed" if shown else "unlisted"} {" ".join(sorted(wanted))}'.rstrip()


def parse(line):
    outcome, shown, *wanted = line.split(' ')
    return show(outcome, shown == 'listed', wanted)


def main():
    probe = sys.argv[1]
    nsets = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20260728
    rng = random.Random(seed)
    world = model.World(TOOLS, IMPLIES)
    sets = [([random_rule(rng) for _ in range(rng.randint(1, 7))], [random_call(rng) for _ in range(30)]) for _ in range(nsets)]
    out = iter(run(probe, sets))
    counts, wrong, dropped = {}, 0, 0
    for rules, calls in sets:
        head = next(out)            # "ok LINE LINE …": lines of rules that the program calls pointless
        if not head.startswith('ok'):
            sys.exit('the program refuses a generated file: ' + head + '\n' + yaml_file(rules))
        first = yaml_file(rules).split('\n').index('rules:') + 2
        pointless = [int(x) - first for x in head.split()[1:]]
        fewer = [r for i, r in enumerate(rules) if i not in pointless]
        dropped += len(pointless)
        for c in calls:
            got, want = parse(next(out)), show(*expect(world, rules, c))
            counts[want.split()[0]] = counts.get(want.split()[0], 0) + 1
            lean = expect(world, fewer, c)
            if got != want or (pointless and lean[:2] != expect(world, rules, c)[:2]):
                wrong += 1
                print('DIFFERENT' if got != want else 'NOT POINTLESS', json_text(c), '\n  program:', got, '\n  model:  ', want,
                      '\n  without rules', pointless, ':', show(*lean), file=sys.stderr)
                for i, r in enumerate(rules):
                    print('  ', i, yaml_value(r), file=sys.stderr)
                if wrong > 5:
                    sys.exit(1)
    print(f'{sum(counts.values())} calls over {nsets} rule sets agree: {counts}; {dropped} pointless rules confirmed (seed {seed})')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
