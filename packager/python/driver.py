"""Drives the host's pip with the environment markers of the guest.

Runs on whatever Python the host has; reads a request from the file that is its
first argument and writes an answer to the second. What pip prints goes to
stdout and stderr as always. Nothing of pip is changed on disk.
"""
import json
import os
import shutil
import subprocess
import sys
import zipfile


def patch_markers(markers):
    """Let every marker be evaluated for the guest."""
    from pip._vendor.packaging import markers as module

    own = module.default_environment

    def default_environment():
        environment = dict(own())
        environment.update(markers)
        return environment

    module.default_environment = default_environment


def takes_guest(path, version):
    """Whether a wheel on disk is for the guest's version of Python.

    An index says so beside the link, a folder does not.
    """
    from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet

    m = metadata(path)
    try:
        return SpecifierSet((m and m["Requires-Python"]) or "").contains(version)
    except InvalidSpecifier:
        return True


def watch_links(seen, version):
    """Note every file that the indexes offer, and whether the guest can use it."""
    from pip._internal.index.package_finder import LinkEvaluator

    own = LinkEvaluator.evaluate_link

    def evaluate_link(self, link):
        result = own(self, link)
        kind, project = result[0], canonical(self.project_name)
        usable = kind is True or getattr(kind, "name", "") == "candidate"
        other_python = getattr(kind, "name", "") == "requires_python_mismatch"
        if usable and link.is_file and link.filename.endswith(".whl"):
            other_python = not takes_guest(link.file_path, version)
        yanked = getattr(link, "is_yanked", False)
        if not yanked and not other_python and version_of(link.filename, project):
            seen.setdefault(project, {})[link.filename] = bool(usable)
        return result

    LinkEvaluator.evaluate_link = evaluate_link


def stand_in_natives(seen, folder, made):
    """Let the resolver take a package that the guest cannot use for granted.

    Otherwise it would try older and older versions of everything that needs it,
    and tell of one such package at a time. What is taken for granted is listed
    at the end, and nothing is installed then.
    """
    from pip._internal.index.package_finder import PackageFinder
    from pip._internal.models.candidate import InstallationCandidate
    from pip._internal.models.link import Link

    own = PackageFinder.find_all_candidates

    def find_all_candidates(self, project_name):
        found = list(own(self, project_name))
        name = canonical(project_name)
        files = seen.get(name, {})
        usable = {version_of(f, name) for f, u in files.items() if u}
        missing = {version_of(f, name) for f in files} - usable
        if usable:
            missing = {v for v in missing if v > max(usable)}
        for version in sorted(missing)[-MOST_STAND_INS:]:
            path = stand_in(folder, name, str(version))
            found.append(InstallationCandidate(name, str(version), Link(path.as_uri())))
        if missing:
            pure = {v for v in usable if not v.is_prerelease}
            made[name] = {"native": any(f.endswith(".whl") and version_of(f, name) in missing
                                        for f in files),
                          "pure": str(max(pure)) if pure else ""}
        return found

    PackageFinder.find_all_candidates = find_all_candidates


MOST_STAND_INS = 500
NATIVE_BUILD = "999998native"


def stand_in(folder, name, version):
    """A wheel without content."""
    import pathlib

    stem = name.replace("-", "_")
    path = pathlib.Path(folder).resolve() / (
        "%s-%s-%s-py3-none-any.whl" % (stem, version, NATIVE_BUILD))
    if not path.exists():
        info = "%s-%s.dist-info/" % (stem, version)
        with zipfile.ZipFile(path, "w") as z:
            z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n"
                       % (name, version))
            z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: wherry\n"
                       "Root-Is-Purelib: true\nTag: py3-none-any\n")
            z.writestr(info + "RECORD", "")
    return path


def needed_natives(dest, made):
    """The packages taken for granted that were chosen, and who needs them."""
    chosen, sure, maybe = {}, {}, {}
    for filename in sorted(os.listdir(dest)):
        if not filename.endswith(".whl"):
            continue
        parts = filename.split("-")
        name = canonical(parts[0])
        if NATIVE_BUILD in parts:
            chosen[name] = parts[1]
            continue
        for needed, extra in needs(os.path.join(dest, filename)):
            (maybe if extra else sure).setdefault(needed, set()).add("%s %s" % (name, parts[1]))
    return [{"name": name, "newest": version, "native": made[name]["native"],
             "pure": made[name]["pure"],
             "by": sorted(sure.get(name) or maybe.get(name) or [])}
            for name, version in sorted(chosen.items())]


def needs(path):
    """What a wheel may need in the guest: project, and whether only for an extra."""
    from pip._vendor.packaging.requirements import Requirement

    m = metadata(path)
    extras = (m.get_all("Provides-Extra") or []) if m else []
    for text in (m.get_all("Requires-Dist") or []) if m else []:
        try:
            r = Requirement(text)
            if r.marker is None or r.marker.evaluate({"extra": ""}):
                yield canonical(r.name), False
            elif any(r.marker.evaluate({"extra": e}) for e in extras):
                yield canonical(r.name), True
        except Exception:  # a requirement that pip did not follow either
            continue


def canonical(name):
    """A project's name as indexes compare it."""
    from pip._vendor.packaging.utils import canonicalize_name

    return str(canonicalize_name(name))


def check(requirement, base):
    """What one requirement asks, and whether the base already has it."""
    from pip._vendor.packaging.requirements import Requirement

    try:
        r = Requirement(requirement)
    except Exception as e:
        return {"error": str(e).splitlines()[0] if str(e) else type(e).__name__}
    name = canonical(r.name)
    wanted = r.marker is None or r.marker.evaluate({"extra": ""})
    has = base.get(name)
    return {
        "name": name, "extras": sorted(r.extras), "specifier": str(r.specifier),
        "url": r.url or "", "wanted": bool(wanted),
        "fits": has is None or bool(r.specifier.contains(has, prereleases=True)),
    }


def version_of(filename, project):
    """The version in a file's name, None when it cannot be told."""
    from pip._vendor.packaging.version import InvalidVersion, Version

    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        text = parts[1] if len(parts) >= 5 and canonical(parts[0]) == project else ""
    else:
        stem = filename
        for end in (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".zip"):
            if stem.endswith(end):
                stem = stem[:-len(end)]
                break
        else:
            return None
        text = ""
        for i, letter in enumerate(stem):
            if letter == "-" and canonical(stem[:i]) == project:
                text = stem[i + 1:]
    try:
        return Version(text)
    except InvalidVersion:
        return None


def metadata(path):
    """The METADATA of a wheel, parsed as the mail header it is."""
    from email.parser import Parser

    with zipfile.ZipFile(path) as z:
        for name in z.namelist():
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA"):
                return Parser().parsestr(z.read(name).decode("utf-8", "replace"), headersonly=True)
    return None


def asked_of(dest, requirements):
    """Project -> every specifier that the chosen packages and the user put on it."""
    from pip._vendor.packaging.requirements import Requirement

    texts = list(requirements)
    for name in sorted(os.listdir(dest)):
        if name.endswith(".whl"):
            m = metadata(os.path.join(dest, name))
            texts += (m.get_all("Requires-Dist") or []) if m else []
    asked = {}
    for text in texts:
        try:
            r = Requirement(text)
            if r.marker is not None and not r.marker.evaluate({"extra": ""}):
                continue
        except Exception:
            continue
        name = canonical(r.name)
        asked[name] = asked[name] & r.specifier if name in asked else r.specifier
    return asked


def gone_back(dest, seen, requirements, base):
    """Packages taken in an older version than they and the user ask for.

    The reason is then that newer ones do not go with the base.
    """
    from pip._vendor.packaging.specifiers import SpecifierSet

    asked, found = asked_of(dest, requirements), []
    for filename in sorted(os.listdir(dest)):
        name = canonical(filename.split("-")[0])
        chosen = version_of(filename, name)
        if name in base or chosen is None or NATIVE_BUILD in filename.split("-"):
            continue
        wanted = asked.get(name, SpecifierSet())
        newer = [v for v in (version_of(f, name) for f, u in seen.get(name, {}).items() if u)
                 if not v.is_prerelease and v > chosen and wanted.contains(v)]
        if newer:
            newest = max(newer)
            depth = 2 if newest.major == 0 else 1
            found.append({"name": name, "chosen": str(chosen), "newest": str(newest),
                          "ancient": newest.release[:depth] != chosen.release[:depth]})
    return found


class Refused(Exception):
    """pip cannot be kept from what it must not do."""


def forbid_programs():
    """Start no program, but the one that keeps passwords.

    --only-binary says nothing about requirements that are addresses, those of
    wheels among them: pip would run the build scripts of such an archive on
    this machine. Nothing that pip does can take this hook away again.
    """
    keyring = shutil.which("keyring")
    keyring = keyring and os.path.abspath(keyring)
    starts = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
              "os.spawn", "os.startfile", "os.startfile/2", "pty.spawn", "_winapi.CreateProcess"}

    def asks_keyring(event, args):
        if not keyring or event not in ("subprocess.Popen", "os.posix_spawn", "_winapi.CreateProcess"):
            return False
        program, words = args[0], args[1]
        if program and os.path.abspath(os.fsdecode(program)) != keyring:
            return False
        if isinstance(words, str):  # Windows, where a command is one text
            return words.startswith(subprocess.list2cmdline([keyring, "get"]) + " ")
        words = [os.fsdecode(w) for w in words]
        return len(words) > 2 and os.path.abspath(words[0]) == keyring and words[1] == "get"

    def hook(event, args):
        if event in starts and not asks_keyring(event, args):
            raise PermissionError("pip may not start programs here: only wheels can be installed")

    sys.addaudithook(hook)
    try:
        subprocess.Popen(["wherry-no-such-program"])
    except PermissionError:
        return
    except OSError:
        pass
    raise Refused("this Python cannot keep pip from starting programs; use CPython")


def forbid_sources():
    """Take wheels only, wherever a requirement comes from."""
    from pip._internal.distributions.sdist import SourceDistribution
    from pip._internal.exceptions import InstallationError
    from pip._internal.operations.prepare import RequirementPreparer

    own = RequirementPreparer.prepare_linked_requirement

    def refuse(self, *args, **kwargs):
        raise InstallationError("%s is a source archive: only wheels can be installed"
                                % getattr(self, "req", "a requirement"))

    def prepare_linked_requirement(self, req, *args, **kwargs):
        if not req.link or req.link.is_vcs or not req.link.is_wheel:
            raise InstallationError("%s is no wheel: only wheels can be installed, and a source "
                                    "archive would run its code on this machine" % (req,))
        return own(self, req, *args, **kwargs)

    for holder, name in ((SourceDistribution, "prepare_distribution_metadata"),
                         (RequirementPreparer, "prepare_editable_requirement")):
        getattr(holder, name)  # a pip that names it otherwise is not used
        setattr(holder, name, refuse)
    RequirementPreparer.prepare_linked_requirement = prepare_linked_requirement


def forbid_files(own_folder):
    """Read no file that a recipe, a wheel or a page of an index names.

    pip follows file: addresses in all of them. Those of this run's folder are
    read, and those below what the user's settings name as an index or a folder
    of wheels: a recipe can name addresses of the web only.
    """
    from pip._internal.exceptions import InstallationError
    from pip._internal.models.link import Link
    from pip._internal.models.search_scope import SearchScope
    from pip._internal.network.session import LocalFSAdapter
    from pip._internal.utils.urls import url_to_path

    def real_path(path):
        return os.path.normcase(os.path.realpath(path))

    roots = [real_path(own_folder)]
    own_create, own_send = SearchScope.create.__func__, LocalFSAdapter.send
    own_path = Link.file_path.fget

    def create(cls, find_links, index_urls, *args, **kwargs):
        for place in list(find_links) + list(index_urls):
            if place.lower().startswith("file:"):
                roots.append(real_path(url_to_path(place)))
            elif "://" not in place:
                roots.append(real_path(os.path.expanduser(place)))
        return own_create(cls, find_links, index_urls, *args, **kwargs)

    def check(path):
        real = real_path(path)
        for root in roots:
            if real == root or real.startswith(os.path.join(root, "")):
                return
        raise InstallationError("a file: address names a file of this machine, which is not read: "
                                + os.path.basename(path))

    def file_path(self):
        path = own_path(self)
        check(path)
        return path

    def send(self, request, *args, **kwargs):
        check(url_to_path(request.url))
        return own_send(self, request, *args, **kwargs)

    SearchScope.create = classmethod(create)
    Link.file_path = property(file_path)
    LocalFSAdapter.send = send


def forbid():
    """Keep pip from running code of others and from reading files for them."""
    import pip

    forbid_programs()
    try:
        forbid_sources()
        forbid_files(os.getcwd())
    except (ImportError, AttributeError) as e:
        raise Refused("pip %s is not known well enough to be kept from building source archives "
                      "(%s); update wherry, or pip" % (pip.__version__, e))


def resolve(request, answer):
    """pip download, watched."""
    seen, made = {}, {}
    forbid()
    try:
        watch_links(seen, request["markers"]["python_full_version"])
        stand_in_natives(seen, request["local"], made)
    except Exception as e:  # a pip whose inside has moved: resolve all the same
        answer["unwatched"] = "%s: %s" % (type(e).__name__, e)
    from pip._internal.cli.main import main

    try:
        answer["exit"] = int(main(request["pip"]) or 0)
    except SystemExit as e:
        answer["exit"] = e.code if isinstance(e.code, int) else 1
    if answer["exit"] == 0:
        answer["natives"] = needed_natives(request["dest"], made)
        answer["gone_back"] = gone_back(request["dest"], seen, request["requirements"],
                                        request["base"])
    else:
        answer["natives"] = [{"name": name, "newest": "", "by": [], **how}
                             for name, how in sorted(made.items())]


def run(request):
    """One request; returns the answer."""
    import pip

    answer = {"pip": pip.__version__, "python": sys.version.split()[0]}
    patch_markers(request["markers"])
    answer["checked"] = [check(r, request["base"]) for r in request["requirements"]]
    if request.get("pip"):
        try:
            resolve(request, answer)
        except Refused as e:
            answer["exit"], answer["refused"] = 1, str(e)
    return answer


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        REQUEST = json.load(f)
    ANSWER = run(REQUEST)
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        json.dump(ANSWER, f)
