"""A second opinion on config.md section 3: the decision, written for clearness and not for speed.

It shares nothing with the program but the text of the contract.  Rules are dictionaries as in the file; numbers of
rules and of arguments are decimal.Decimal, so that comparing is exact.  What a list shows is not computed but tried:
every way in which the conditions could come out.
"""
import itertools
import re
from decimal import Decimal

RANGE = re.compile(r'-?[\d.]*\.\.-?[\d.]*')
# Text that an upstream may read as other text: no wildcard decides over it.
AMBIGUOUS = re.compile(r'[%\\\x00-\x1f\x7f-\x9f]')


def many(x):
    return x if isinstance(x, list) else [x]


def glob(pattern, text):
    parts = re.split(r'(\*\*|\*)', pattern)
    regex = ''.join('.*' if p == '**' else '[^/]*' if p == '*' else re.escape(p) for p in parts)
    return re.fullmatch(regex, text, re.S) is not None


class World:
    """tools: 'server.name' -> (access, [tags]); implies: scope -> [scopes]."""

    def __init__(self, tools, implies):
        self.tools, self.implies = tools, implies

    def closure(self, scopes):
        has, todo = set(), list(scopes)
        while todo:
            s = todo.pop()
            if s not in has:
                has.add(s)
                todo += self.implies.get(s, [])
        return has

    def names(self, target, tool):
        if target == 'all':
            return True
        server, _, rest = target.partition('.')
        own_server, _, own_name = tool.partition('.')
        if server not in ('all', own_server):
            return False
        access, tags = self.tools[tool]
        if not rest:
            return True
        if rest.startswith('access:'):
            return access == rest[7:]
        if rest.startswith('tag:'):
            return any(glob(rest[4:], t) for t in tags)
        return glob(rest, own_name)


class Caller:
    def __init__(self, source, user='', scopes=(), tags=()):
        self.source, self.user, self.scopes, self.tags = source, user, list(scopes), list(tags)

    @property
    def anonymous(self):
        return self.source == 'anonymous'


def verb_of(rule):
    return next(v for v in ('allow', 'ask', 'guard', 'deny') if v in rule)


def speaks_of(rule, who):
    if 'for' not in rule:
        return True
    for x in many(rule['for']):
        source, slash, user = x.partition('/')
        if x == 'anyone' or x == who.source or (slash and source == who.source and glob(user, who.user)):
            return True
    return False


def value_matches(v, arg, who):
    """True, False, or None: not comparable."""
    if isinstance(v, bool):
        return v == arg if isinstance(arg, bool) else None
    if isinstance(v, Decimal):
        return v == arg if isinstance(arg, Decimal) else None
    if RANGE.fullmatch(v) and v != '..':
        if not isinstance(arg, Decimal):
            return None
        low, high = v.split('..', 1)
        return (not low or arg >= Decimal(low)) and (not high or arg <= Decimal(high))
    if not isinstance(arg, str):
        return None
    if v == '$user':
        return arg == who.user if who.user else None
    return glob(v, arg) if '*' in v else v == arg


def condition(path, values, args, who):
    arg = args
    for step in path.split('.'):
        if not isinstance(arg, dict) or step not in arg:
            return None
        arg = arg[step]
    if arg is None or isinstance(arg, (list, dict)):
        return None
    if isinstance(arg, str) and any(isinstance(v, str) and '*' in v and v != '$user' for v in many(values)):
        if AMBIGUOUS.search(arg) or any(p in ('.', '..') for p in arg.split('/')):
            return None
    found = [value_matches(v, arg, who) for v in many(values)]
    if True in found:
        return True
    return False if False in found else None


def conditions(conds, args, who):
    """All of them; one undecided makes the whole undecided."""
    found = [condition(k, v, args, who) for k, v in conds.items()]
    return None if None in found else all(found)


def how_it_speaks(rule, args, who):
    """'no', 'sure' or 'unsure' (it binds and does not open)."""
    when = conditions(rule['when'], args, who) if 'when' in rule else True
    unless = conditions(rule['unless'], args, who) if 'unless' in rule else False
    if when is False or unless is True:
        return 'no'
    return 'unsure' if when is None or unless is None else 'sure'


def group(g, who, has):
    tags_met = all(t in who.tags for t in many(g.get('restrict_tag', [])))
    return tags_met, [s for s in many(g.get('require_scopes', [])) if s not in has]


def judge(world, left, who):
    """The decision over rules left: [(rule, opens surely)].  Returns (outcome, wanted scopes, manner)."""
    if any(verb_of(r) == 'deny' for r, _ in left):
        return 'closed', [], None
    if not any(sure and verb_of(r) in ('allow', 'ask') and (not who.anonymous or 'anyone' in many(r.get('for', [])))
               for r, sure in left):
        return 'closed', [], None
    has = world.closure(who.scopes)
    wanted, missing, manners = [], False, []
    for r, _ in left:
        tags_met, short = group(r, who, has)
        if not tags_met:
            return 'closed', [], None
        if 'not' in r and group(r['not'], who, has)[0]:
            return 'closed', [], None
        wanted += many(r.get('require_scopes', []))
        missing |= bool(short)
        if 'require_scopes' in r or any('require_scopes' in g for g in many(r.get('any', []))):
            manners.append(r.get('missing_scopes', 'challenge'))
        if 'any' in r:
            looks = [(g, *group(g, who, has)) for g in many(r['any'])]
            if not any(ok and not lack for _, ok, lack in looks):
                first = next((g for g, ok, _ in looks if ok), None)
                if first is None:
                    return 'closed', [], None
                wanted += many(first['require_scopes'])
                missing = True
    manner = max(manners, key=['list', 'challenge', 'hide'].index, default=None)
    if missing:
        return ('closed' if manner == 'hide' else 'short'), sorted(set(wanted)), manner
    return ('ask' if any(verb_of(r) == 'ask' for r, _ in left) else 'allow'), [], None


def meant(world, rules, tool, who):
    return [r for r in rules if any(world.names(t, tool) for t in many(r[verb_of(r)])) and speaks_of(r, who)]


def listed(world, rules, tool, who):
    """Could some call get something?  Every way the conditions could come out is tried."""
    all_rules = meant(world, rules, tool, who)
    free = [r for r in all_rules if 'when' in r or 'unless' in r]
    fixed = [(r, True) for r in all_rules if r not in free]
    for chosen in itertools.product((False, True), repeat=len(free)):
        outcome, _, manner = judge(world, fixed + [(r, True) for r, c in zip(free, chosen) if c], who)
        if outcome in ('allow', 'ask') or (outcome == 'short' and manner == 'list'):
            return True
    return False


def decide(world, rules, tool, who, args):
    """-> (outcome, listed, wanted): outcome is allow, ask, short, args (refused arguments) or closed."""
    left = []
    for r in meant(world, rules, tool, who):
        how = how_it_speaks(r, args, who)
        if how != 'no':
            left.append((r, how == 'sure'))
    outcome, wanted, _ = judge(world, left, who)
    shown = listed(world, rules, tool, who)
    if outcome == 'closed' and shown:
        outcome = 'args'
    return outcome, shown, wanted if outcome == 'short' else []
