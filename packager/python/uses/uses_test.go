package uses

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// folder is files in memory.
type folder map[string]string

func (f folder) Read(name string) (string, bool) {
	text, ok := f[name]
	return text, ok
}

func TestModules(t *testing.T) {
	for name, c := range map[string]struct {
		files folder
		want  string
	}{
		"plain":       {folder{"app.py": "import os, json as j\nfrom flask import Flask, request as r\nimport a.b.c\n"}, "os json flask flask.request a.b.c"},
		"lines":       {folder{"app.py": "from flask import (\n  render_template,  # one\n  Flask,\n)\nimport \\\n  re; import time\n"}, "flask flask.render_template re time"},
		"no imports":  {folder{"app.py": "'''\nimport one\n'''\nx = 'import two'\n# import three\ny = r\"import four\"\n"}, ""},
		"in blocks":   {folder{"app.py": "try:\n    import fast\nexcept ImportError:\n    import slow\nif x:\n\timport tabbed\nwith y: pass\n"}, "fast"},
		"in others":   {folder{"app.py": "def f():\n    import late\nclass C:\n    import inner\nif TYPE_CHECKING:\n    import types\nif __name__ == '__main__':\n    import main\nimport last\n"}, "last"},
		"own":         {folder{"app.py": "import one\nfrom shop import models\nimport two\n", "shop/__init__.py": "import three\n", "shop/models.py": "from . import db\nfrom .db import x\nimport four\n", "shop/db.py": "import five\n"}, "one three five four two"},
		"round":       {folder{"app.py": "import b\n", "b.py": "import app\nimport one\n"}, "one"},
		"above":       {folder{"app.py": "import p.q.r\n", "p/__init__.py": "", "p/q/__init__.py": "", "p/q/r.py": "from ..s import x\n", "p/s.py": "import one\n"}, "one"},
		"meddling":    {folder{"app.py": "import pymysql\npymysql.install_as_MySQLdb()\nimport django\n"}, "pymysql"},
		"assigning":   {folder{"app.py": "import a\nimport b\na.DEFAULT = 3\nimport c\n"}, "a b"},
		"called":      {folder{"app.py": "from a import patch\npatch()\nimport c\n"}, "a a.patch"},
		"set":         {folder{"app.py": "import a\nsetattr(a, 'x', 1)\nimport c\n"}, "a"},
		"own meddled": {folder{"app.py": "import b\nimport c\n", "b.py": "import x\nx.y = 1\n"}, "x"},
		"harmless":    {folder{"app.py": "import os, sys, logging\nos.environ['A'] = 'b'\nsys.path.insert(0, 'lib')\nlogging.basicConfig()\nsys.path.append(os.path.join('a', 'b'))\nlog = logging.getLogger(__name__)\nfrom dotenv import load_dotenv\nload_dotenv()\napp = x.y()\nimport c\n"}, "os sys logging dotenv dotenv.load_dotenv c"},
		"got":         {folder{"app.py": "import a\nx = a.patch()\nimport b\n"}, "a"},
		"handed on":   {folder{"app.py": "import a\nprint(1, a.patch())\nimport b\n"}, "a"},
		"with":        {folder{"app.py": "import a\nwith a.patched():\n    import b\n"}, "a"},
		"objects":     {folder{"app.py": "from flask import Flask\napp = Flask(__name__)\nimport a\nx = a.Thing(a.y)\nif a.z == 1: pass\nimport b\n"}, "flask a b"},
		"conditions":  {folder{"app.py": "import a\nif x:\n    from . import own\n    import b\nelse:\n    import c\nfor x in y:\n    import d\nimport e\n", "own.py": "import f\n"}, "a e"},
		"maybe":       {folder{"app.py": "import a\nif x:\n    a.y = 1\nimport b\n"}, "a"},
		"maybe own":   {folder{"app.py": "import a\nif x:\n    import own\nimport b\n", "own.py": "import a\na.patch()\n"}, "a"},
		"logger":      {folder{"app.py": "import logging\nlogging.setLoggerClass(x)\nimport b\n"}, "logging"},
		"ignored":     {folder{"app.py": "import warnings\nwarnings.filterwarnings('ignore')\nwarnings.simplefilter(action='ignore')\nimport b\n"}, "warnings b"},
		"warned":      {folder{"app.py": "import warnings\nwarnings.filterwarnings('error')\nimport b\n"}, "warnings"},
		"replaced":    {folder{"app.py": "import sys\nsys.modules['a'] = b\nimport c\n"}, "sys"},
		"added":       {folder{"app.py": "import a\na.b += 1\nimport c\n"}, "a"},
		"library":     {folder{"app.py": "import time\ntime.time = len\nimport c\n"}, "time"},
		"missing":     {folder{}, "app"},
		"crlf":        {folder{"app.py": "import a\r\nfrom b import \\\r\n  c\r\n"}, "a b b.c"},
	} {
		if got := strings.Join(Modules(c.files, "app"), " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestSure: what is listed is what the program would import first itself, in that order.
func TestSure(t *testing.T) {
	for name, c := range map[string]struct {
		files folder
		want  string
	}{
		"plain":          {folder{"app.py": "'''of an application'''\nimport time\nfrom flask import Flask, jsonify\nlimit = max(3, int('4')) + (1)\nword = ' '.join(['a'])\napp = Flask(__name__)\nimport a\n"}, "time flask flask.jsonify a"},
		"a function":     {folder{"app.py": "import a\nfrom own import patch\npatch()\nimport b\n", "own.py": "import c\ndef patch(): c.x = 1\n"}, "a c"},
		"a method":       {folder{"app.py": "from flask import Flask\napp = Flask(__name__)\napp.begin()\nimport b\n"}, "flask"},
		"what is given":  {folder{"app.py": "import a\nx = a.Thing().change()\nimport b\n"}, "a"},
		"a result":       {folder{"app.py": "import a\nx = [len][0]('')\nimport b\n"}, "a"},
		"an object":      {folder{"app.py": "import a\nclass C:\n    def __init__(self): a.x = 1\nc = C()\nimport b\n"}, "a"},
		"a class":        {folder{"app.py": "import a\nclass C(a.B):\n    n: int = 3\n    def f(self): a.x = 1\nimport b\nclass D:\n    n = f()\nimport c\n"}, "a b"},
		"a decorator":    {folder{"app.py": "import a\n@own\ndef f(): pass\nimport b\n@own.of('x')\ndef g(): pass\nimport c\n"}, "a"},
		"tried":          {folder{"app.py": "import a\ntry:\n    import fast\nexcept ImportError:\n    fast = None\nimport b\n"}, "a fast"},
		"a condition":    {folder{"app.py": "import a\nif a.x:\n    import b\nimport c\n"}, "a"},
		"guarded":        {folder{"app.py": "import a\nif TYPE_CHECKING:\n    import b\nimport c\n"}, "a c"},
		"a part":         {folder{"app.py": "import a\nx = a\nx.y = 3\nimport b\n"}, "a"},
		"a path":         {folder{"app.py": "import sys\nsys.path.insert(0, 'lib')\nimport b\n"}, "sys"},
		"another name":   {folder{"app.py": "import sys as s\ns.path.insert(0, 'lib')\nimport b\n"}, "sys"},
		"no package":     {folder{"app.py": "import a\nfrom lib import patches\nimport b\n", "lib/patches.py": "import a\na.x = 1\n"}, "a lib"},
		"in no package":  {folder{"app.py": "import a\nimport lib.patches\nimport b\n", "lib/patches.py": "import a\na.x = 1\n"}, "a"},
		"own first":      {folder{"app.py": "import own\nimport b\n", "own.py": "import a\na.x = 1\n"}, "a"},
		"names of lists": {folder{"app.py": "import os\nos.environ['A'] = 'b'\nx: dict = {}\nimport b\n"}, "os b"},
		"path by name":   {folder{"app.py": "import a\nfrom sys import path\npath[:0] = ['lib']\nimport b\n"}, "a sys sys.path"},
		"more of it":     {folder{"app.py": "import a\nfrom sys import path\npath += ['lib']\nimport b\n"}, "a sys sys.path"},
		"environ":        {folder{"app.py": "from os import environ\nenviron['A'] = 'b'\nimport b\n"}, "os os.environ b"},
		"chained":        {folder{"app.py": "import a\nx = a.y = 1\nimport b\n"}, "a"},
		"two":            {folder{"app.py": "import a\nx, y = 1, 2\nx, a.y = 1, 2\nimport b\n"}, "a"},
		"in a part":      {folder{"app.py": "import a\nx = a.table\nx['k'] = 1\nimport b\n"}, "a"},
		"own print":      {folder{"app.py": "import a\ndef print(x): a.x = 1\nprint(1)\nimport b\n"}, "a"},
		"like print":     {folder{"app.py": "import a\nclass C:\n    def print(self): pass\n    type = 3\nimport b\n"}, "a b"},
		"brought print":  {folder{"app.py": "import a\nfrom own import print\nprint(1)\nimport b\n", "own.py": "import c\n"}, "a c"},
		"own and theirs": {folder{"app.py": "from a import T\nfrom own import f\nimport b\n", "own.py": "import c\n"}, "a c b"},
		"brought all":    {folder{"app.py": "import a\nfrom own import *\nprint(1)\nimport b\n", "own.py": "import c\n"}, "a c"},
		"given print":    {folder{"app.py": "import a\nfrom own import patch\nprint = patch\nprint(1)\nimport b\n", "own.py": "import c\n"}, "a c"},
		"own for theirs": {folder{"app.py": "from a import T\nclass T:\n    def __init__(self): a.x = 1\nT()\nimport b\n"}, "a"},
		"by default":     {folder{"app.py": "import a\nfrom q import Q\ndef f(x: int = Q(1)): own()\ndef g(x=own()): pass\nimport b\n"}, "a q"},
		"an own base":    {folder{"app.py": "import a\nclass C(own()): pass\nimport b\n"}, "a"},
		"behind a class": {folder{"app.py": "import a\nclass E(Exception): pass\nclass F: ...\nimport b\nclass C: a.x = 1\nimport c\n"}, "a b"},
		"missing":        {folder{}, ""},
	} {
		if got := strings.Join(Sure(c.files, "app"), " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestNamed(t *testing.T) {
	for name, c := range map[string]struct {
		settings, other string
		want            string
	}{
		"settings":   {"INSTALLED_APPS = ['django.contrib.auth', 'shop.x', \"a b.c\"]\n", "", "os django.contrib.auth.* django.contrib django"},
		"others":     {"MIDDLEWARE: list = ['a.b']\nHOST = 'db.example'\nLOCAL_APPS += ['c.d']\n", "x = 'e.f'\n", "os a.b.* a c.d.* c"},
		"conditions": {"if DEBUG:\n    INSTALLED_APPS += ['debug.toolbar']\n", "", "os"},
		"meddling":   {"INSTALLED_APPS = ['a.b']\n", "import pymysql\npymysql.install_as_MySQLdb()\n", ""},
	} {
		files := folder{
			"manage.py":        "import os\ndef main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n",
			"site/__init__.py": "", "site/settings.py": c.settings, "shop/__init__.py": "", "a_first.py": c.other,
		}
		if got := strings.Join(Named(files, slices.Sorted(maps.Keys(files))), " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func FuzzModules(f *testing.F) {
	f.Add("import a.b as c\nfrom . import d\n", "x = '''\n", "\\")
	f.Add("0", "0", "import import0import7ort7. . as")
	f.Add("from .... import (", "setattr(a", "import import import . as")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		files := folder{"a.py": "import p.b\nfrom p import c\n" + a, "p/__init__.py": a, "p/b.py": b, "p/c.py": c}
		for _, list := range [][]string{Modules(files, "a"), Sure(files, "a"), Named(files, slices.Sorted(maps.Keys(files)))} {
			for _, name := range list {
				if !dotted(strings.TrimSuffix(name, ".*")) {
					t.Errorf("%q", name)
				}
			}
		}
	})
}
