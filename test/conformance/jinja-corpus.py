"""Writes jinja-corpus.json: what Jinja2 makes of the templates that people write in pagination settings.

Run it with Python 3 and Jinja2 3.1 after a change, then format what it wrote:
python3 test/conformance/jinja-corpus.py && npm run format
The tests read the JSON only, and need no Python.

An expression that fills the whole template gives its own value here, without Jinja's further evaluation of texts as
Python literals (which NativeEnvironment and Airbyte do: there the text '123' becomes a number). Undefined and None are
null. Undefined names and attributes are chainable, as in Sluice.
"""

import json
import os
import types

from jinja2 import ChainableUndefined, Undefined
from jinja2.sandbox import SandboxedEnvironment

CONTEXTS = {
    "page": {
        "headers": {
            "link": {"next": {"url": "https://api.test/v1/rows?page=2&q=a%2Fb", "rel": "next"}},
            "x-total": "42",
            "x-next-page": "2",
            "content-type": "application/json; charset=utf-8",
        },
        "response": {
            "data": [
                {"id": 1, "name": "Ada", "ok": True, "tags": ["x", "y"], "score": 1.5},
                {"id": 2, "name": "bob", "ok": False, "tags": [], "score": 3.0},
                {"id": 3, "name": "Cy", "ok": True, "tags": ["z"], "score": 2.25},
            ],
            "meta": {"next_cursor": "c2==", "total": 7, "page": 1, "pages": 3, "has_more": True, "done": False},
            "paging": {"cursors": {"after": "Mg=="}, "next": "/rows?after=Mg%3D%3D"},
            "next": "https://api.test/v1/rows?page=2",
            "null": None,
            "zero": 0,
            "empty": "",
            "none_list": [],
            "none_map": {},
            "float": 2.5,
            "negative": -7,
            "text": "Hello World",
            "digits": "0042",
            "padded": "  x y ",
            "csv": "a,b,,c",
            "date": "2026-01-31",
            "with-dash": "d",
            "with.dot": "p",
            "unicode": "Zo\u00eb \u65e5\u672c",
        },
        "last_record": {"id": 3, "created_at": "2026-01-31T08:00:00Z", "name": "Cy", "deep": {"k": [1, {"v": "w"}]}},
        "last_page_size": 3,
        "config": {"account": "ACC1", "limit": 100, "start": "2026-01-01"},
        "parameters": {"path": "rows"},
    },
    "last": {
        "headers": {"link": {}, "x-total": "42", "x-next-page": ""},
        "response": {
            "data": [],
            "meta": {"next_cursor": None, "total": 7, "page": 3, "pages": 3, "has_more": False, "done": True},
            "next": None,
        },
        "last_record": None,
        "last_page_size": 0,
        "config": {"account": "ACC1", "limit": 100},
        "parameters": {},
    },
}

# Of these each is evaluated in both contexts.
BOTH = """
headers['link']['next']['url']
headers.link.next.url
'next' not in headers['link']
'next' in headers['link']
not headers['link']
headers['x-next-page']
headers['x-next-page'] == ''
not headers['x-next-page']
headers['x-total'] | int
(headers['x-total'] | int) > 10
headers['nope']
headers.get('x-total')
headers.get('nope')
headers.get('nope', 'fallback')
response.next
response['next']
response.get('next')
response.get('next', {})
response.get('nothing', {}).get('deeper')
response.next is none
response.next is not none
response.next is defined
response.nothing is defined
response.nothing is not defined
response.nothing is undefined
response.nothing
response.nothing.at.all
response.nothing['at']['all']
not response.nothing
not response.next
response.next or 'end'
response.next and 'more'
response.nothing or response.next or 'end'
response.meta.next_cursor
response.meta.next_cursor | default('none')
response.meta.next_cursor | default('none', true)
response.meta.next_cursor is none or response.meta.has_more == false
response.meta.has_more
not response.meta.has_more
response.meta.has_more == True
response.meta.has_more is true
response.meta.done is sameas true
response.meta.page + 1
response.meta.page + 1 if response.meta.page < response.meta.pages
response.meta.page + 1 if response.meta.page < response.meta.pages else None
response.meta.page >= response.meta.pages
response.meta.page == response.meta.pages
response.meta.page * config.limit >= response.meta.total
response.meta.total > response.meta.page * 3
response.meta.total - response.data | length
(response.meta.total - response.data | length) > 0
response.paging.cursors.after
response.paging.next is defined
'paging' in response
'paging' not in response
response.data
response.data | length
response.data | length == 0
response.data | count
response.data | length < config.limit
response['data'] | length < 3
response.data[-1].id
response.data[-1]['id']
response.data[0].name
(response.data | last).id
(response.data | first).id
response.data | map(attribute='id') | list
response.data | map(attribute='id') | max
response.data | map(attribute='id') | join(',')
response.data | selectattr('ok') | list | length
last_record.id
last_record['id']
last_record.created_at
last_record.nope
last_record.deep.k[1].v
last_record is none
last_record and last_record.id
last_record.id if last_record else ''
last_record.id if last_record is not none else 'x'
last_page_size
last_page_size < 100
last_page_size == 0
last_page_size == config.limit
last_page_size != 0 and response.meta.has_more
not (last_page_size < config['limit'])
config.account
config['account']
config.nope
config.get('start', '2020-01-01')
config.start | default('2020-01-01')
parameters.path
parameters.path is defined
'path' in parameters
""".strip().splitlines()

PAGE = """
1
-1
1.5
1e3
1_000
'text'
"text"
'it\\'s'
true
True
false
none
None
[1, 2, 'x', none]
[]
{'a': 1, 'b': [true]}
{}
(1, 2)
'a' ~ 'b'
'a' ~ 1
'a' + 'b'
1 + 2
1 + 2 * 3
(1 + 2) * 3
7 - 10
7 / 2
6 / 2
7 // 2
-7 // 2
7 % 4
-7 % 4
2 ** 10
2 ** -1
-2 ** 2
1.5 + 1
0.1 + 0.2
1 == 1.0
1 == true
1 == '1'
'1' < '2'
'a' < 'b'
1 < 2 < 3
3 > 2 > 2
1 != 2
not 1
not 0
not ''
not []
not none
1 and 2
0 and 2
1 or 2
0 or ''
0 or none or 'x'
true and false or true
not true or true
not (true or true)
1 in [1, 2]
3 in [1, 2]
3 not in [1, 2]
'ell' in response.text
'ELL' in response.text
'a' in {'a': 1}
none in [none]
1 if true
1 if false
1 if false else 2
'a' if response.empty else 'b' if response.zero else 'c'
response['with-dash']
response['with.dot']
response.null
response.null is none
response.null is defined
response.null | default('d')
response.null | default('d', true)
response.null | default('d', boolean=true)
response.zero
response.zero | default(5)
response.zero | default(5, true)
response.zero is defined
response.zero or 5
response.empty
response.empty | default('d')
response.empty | d('d', true)
response.empty == ''
response.none_list
response.none_map
not response.none_list
not response.none_map
response.none_list | length
response.none_map | length
response.none_list | first
response.none_list | last
response.none_list | join(',')
response.none_list[0]
response.none_list[0].id
response.data[10]
response.data[10].id
response.data[1:]
response.data[:1]
response.data[-1:]
response.data[::2] | map(attribute='id') | list
response.text[0]
response.text[-1]
response.text[:5]
response.text[6:]
response.text[1:-1]
response.text[::2]
response.text[100:]
response.text | upper
response.text | lower
response.text | title
response.text | capitalize
response.text | length
response.text | replace('World', 'you')
response.text | replace('l', 'L')
response.text | reverse
response.text | first
response.text | last
response.text | list
response.padded | trim
response.text | trim('Hd')
response.text | truncate(8)
response.text | string
response.digits | int
response.digits | int + 1
response.digits | float
'x' | int
'x' | int(9)
'x' | int(default=9)
'' | int
'1.9' | int
'1.5' | float
'x' | float
'x' | float(2.5)
' 12 ' | int
'-3' | int
1.9 | int
-1.9 | int
true | int
none | int
2 | float
2.5 | round
3.5 | round
2.25 | round(1)
2.567 | round(2)
2.1 | round(method='ceil')
2.9 | round(method='floor')
2.5 | round | int
-7 | abs
response.negative | abs
123 | string
1.5 | string
'abc' | string
true | string
response.float * 2
response.float | int
[3, 1, 2] | sort
[3, 1, 2] | sort(reverse=true)
['b', 'A', 'c'] | sort
[3, 1, 2] | max
[3, 1, 2] | min
['b', 'A', 'c'] | max
[1, 2, 3] | sum
[] | sum
response.data | sum(attribute='score')
[1, 2, 2, 1, 3] | unique | list
[1, 2, 3] | reverse | list
[1, 2, 3] | first
[1, 2, 3] | last
[1, 2, 3] | join
[1, 2, 3] | join('-')
['a', 'b'] | join(', ')
response.data | join(',', attribute='name')
response.data | map(attribute='name') | list
response.data | map(attribute='name') | map('upper') | list
response.data | map(attribute='nope') | list
response.data | map(attribute='nope', default='-') | list
response.data | selectattr('ok') | map(attribute='id') | list
response.data | rejectattr('ok') | map(attribute='id') | list
response.data | selectattr('id', 'gt', 1) | map(attribute='id') | list
response.data | selectattr('name', 'equalto', 'Ada') | map(attribute='id') | list
response.data | selectattr('name', '==', 'Ada') | list | length
response.data | selectattr('id', 'in', [1, 3]) | map(attribute='id') | list
response.data | sort(attribute='name') | map(attribute='id') | list
response.data | sort(attribute='score', reverse=true) | map(attribute='id') | list
response.data | map(attribute='score') | max
(response.data | max(attribute='score')).id
(response.data | min(attribute='score')).id
response.data | map(attribute='tags') | map('length') | list
[1, 2, 3, 4] | select('odd') | list
[1, 2, 3, 4] | reject('odd') | list
[0, 1, '', 'x', none] | select | list
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4] | slice(2) | list
'abc' | list
{'b': 1, 'a': 2} | dictsort
{'a': 1} | items | list
{'a': 1, 'b': 2} | list
{'a': 1} | length
response.meta | length
'abc' in ['abc']
'a b' | urlencode
'a/b?c=d&e' | urlencode
'\u00fc' | urlencode
{'a': 1, 'b': 'x y'} | urlencode
'<a href="x">' | escape
'<b>' | e
{'a': [1, 'x']} | tojson
[1, none, true] | tojson
'x' | tojson
'a b c'.split()
'a b c'.split(' ')
response.csv.split(',')
response.csv.split(',')[0]
response.csv.split(',')[-1]
response.csv.split(',') | length
response.csv.split(',', 1)
'a=1&b=2'.split('&')[1].split('=')[1]
response.next.split('page=')[1]
response.next.split('page=')[-1] | int
response.next.split('?')[0]
response.text.upper()
response.text.lower()
response.text.title()
response.text.capitalize()
response.padded.strip()
response.padded.lstrip()
response.padded.rstrip()
'xxaxx'.strip('x')
response.text.startswith('Hello')
response.text.endswith('x')
response.text.replace('World', 'you')
response.text.find('World')
response.text.find('nope')
response.text.count('l')
response.digits.isdigit()
'abc'.isdigit()
'abc'.isalpha()
','.join(['a', 'b'])
'a,b;c'.replace(';', ',').split(',')
response.meta.keys() | list
response.meta.values() | list
response.meta.items() | list | length
response.meta.get('total')
response.meta.get('nope') is none
response.meta.get('nope', 3) + 1
response.unicode
response.unicode | length
response.unicode | upper
response.text is string
response.zero is number
response.zero is string
response.zero is even
response.meta.total is odd
response.meta is mapping
response.data is mapping
response.data is iterable
response.data is sequence
response.float is float
response.zero is integer
response.zero is float
response.meta.has_more is boolean
response.meta.has_more is false
response.meta.total is divisibleby 7
response.meta.total is gt 6
response.meta.total is eq 7
response.meta.total is ge 8
response.meta.total is lt(8)
response.meta.total is in [7, 8]
response.text is lower
response.text is upper
'ABC' is upper
response.nothing is none
response.null is not defined
nowhere
nowhere.at
nowhere is defined
nowhere | default('x')
nowhere or 'x'
nowhere.at.all | default('x')
not nowhere
nowhere == none
nowhere == ''
nowhere ~ 'x'
[nowhere] | length
response.nothing | length
response.nothing + 1
response.nothing | int
response.nothing | string
response.nothing | upper
response.nothing > 1
response.null > 1
response.null + 1
response.text + 1
response.text * 2
[1] + [2]
[0] * 3
response.zero / 0
1 % 0
response.text - 1
response.text < 1
1 in 5
response.zero()
response.text.nope()
response.data.nope
'a' | nope
5 is nope
response..x
1 +
[1, 2
'unclosed
response.items
response.data | attr('x')
response.data[0] | attr('name')
response.data[0] | items | list | length
response.data | groupby('ok') | list | length
last_record.created_at[:10]
last_record.created_at.split('T')[0]
last_record.created_at[:10] > '2026-01-01'
(last_record.id | string) ~ ':' ~ last_record.name
config.limit * (response.meta.page - 1)
config.limit | string ~ '%'
response.meta.total // config.limit
response.meta.pages - response.meta.page
'https://api.test/rows?offset=' ~ (last_page_size + 3)
response.next | replace('https://api.test', '')
response.next | replace('page=2', 'page=3', 1)
['a', 'b'][1]
{'a': {'b': [1, 2]}}['a']['b'][1]
{'a': 1}.a
{'a': 1}['b']
{'a': 1}.get('b', 'c')
[[1, 2], [3]] | map('first') | list
[[1, 2], [3]] | sum(start=[])
""".strip().splitlines()

TEXTS = [
    "page {{ last_page_size }}",
    "{{ config.account }}/{{ config.limit }}",
    "a{{ nowhere }}b",
    "a{{ nowhere.at.all }}b",
    "{{ response.text }}!",
    "{{ 1 }}{{ 2 }}",
    "{{ 1.5 }}/{{ 2.0 }}",
    "{{ response.float * 2 }}x",
    "{{ 10 / 4 }}x",
    "{{ 10 // 4 }}x",
    "{% if response.meta.has_more %}more{% else %}end{% endif %}",
    "{% if response.nothing %}a{% elif response.zero == 0 %}b{% else %}c{% endif %}",
    "{% if not headers['link'] %}none{% endif %}",
    "{% for r in response.data %}{{ r.id }},{% endfor %}",
    "{% for r in response.data %}{{ loop.index }}{% if not loop.last %}-{% endif %}{% endfor %}",
    "{% for r in response.data if r.ok %}{{ r.name }} {% endfor %}",
    "{% for r in response.none_list %}x{% else %}none{% endfor %}",
    "{% for k in response.paging %}{{ k }};{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }}&{% endfor %}",
    "{% set x = 2 %}{{ x * 3 }}",
    "{% set x = response.data | length %}n={{ x }}",
    "{# a comment #}x",
    "{% raw %}{{ x }}{% endraw %}",
    "  {{- 1 -}}  x",
    "a {%- if true %} b {% endif -%} c",
    "{{ '{{' }} x {{ '}}' }}",
    "{{ \"it's\" }} x",
    "id:{{ last_record.id }} at:{{ last_record.created_at }}",
    "{{ response.next }}&x=1",
    "{{ 'a' if response.zero else 'b' }}c",
    "{{ response.text | upper }} {{ response.text | length }}",
    "line\n{{ 1 }}\n",
    "{{ response.unicode }}.",
    # Printed in another way: lists, objects, booleans and null.
    "{{ response.meta.has_more }}!",
    "{{ response.null }}!",
    "{{ [1, 'x'] }}!",
    "{{ {'a': none} }}!",
    "{{ true }}{{ none }}x",
]


def plain(value):
    """As JSON knows it: tuples and iterators are lists, undefined is None."""
    if isinstance(value, Undefined):
        return None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return str(value) if isinstance(value, str) else value
    if callable(value):
        raise TypeError("a method")
    if isinstance(value, types.GeneratorType) or hasattr(value, "__iter__"):
        return [plain(item) for item in value]
    return str(value)


def attempt(run):
    try:
        return {"value": plain(run())}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
        return {"error": type(error).__name__}


def main():
    environment = SandboxedEnvironment(undefined=ChainableUndefined, keep_trailing_newline=True)
    entries = []
    for name, context in CONTEXTS.items():
        expressions = BOTH + (PAGE if name == "page" else [])
        for expression in expressions:
            result = attempt(lambda: environment.compile_expression(expression, undefined_to_none=False)(**context))
            entries.append({"context": name, "template": "{{ " + expression + " }}", **result})
        for text in TEXTS if name == "page" else []:
            result = attempt(lambda: environment.from_string(text).render(**context))
            entries.append({"context": name, "template": text, **result})
    lines = ",\n".join("    " + json.dumps(entry, ensure_ascii=False) for entry in entries)
    contexts = json.dumps(CONTEXTS, ensure_ascii=False)
    target = os.path.join(os.path.dirname(__file__), "jinja-corpus.json")
    with open(target, "w", encoding="utf-8") as file:
        file.write('{\n  "contexts": ' + contexts + ',\n  "entries": [\n' + lines + "\n  ]\n}\n")
    print(len(entries), "templates")


main()
