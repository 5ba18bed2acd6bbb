"""How an application is found: by its module and name, or as Flask and Django find theirs."""
import sys


def _import(target):
    """MODULE:NAME, as gunicorn and uvicorn write it; NAME may be a call without arguments."""
    import importlib

    module, _, name = target.partition(":")
    found = importlib.import_module(module)
    call = name.endswith("()")
    for part in (name.removesuffix("()") or "application").split("."):
        found = getattr(found, part)
    return found() if call else found


def _factory(target):
    return _import(target)()


def _flask(target):
    """What flask --app TARGET run finds."""
    from flask.cli import ScriptInfo

    return ScriptInfo(app_import_path=target or None, set_debug_flag=False).load_app()


def _django(target):
    """What manage.py runserver serves; TARGET is the path of manage.py."""
    import runpy

    from django.core import management

    caught = []
    plain, management.execute_from_command_line = management.execute_from_command_line, caught.append
    sys.argv = [target, "runserver"]
    try:
        runpy.run_path(target, run_name="__main__")
    finally:
        management.execute_from_command_line = plain
    import django
    from django.conf import settings
    from django.core.servers.basehttp import get_internal_wsgi_application

    django.setup()
    application = get_internal_wsgi_application()
    if settings.DEBUG and "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        from django.contrib.staticfiles.handlers import StaticFilesHandler

        application = StaticFilesHandler(application)
    return application


FINDERS = {"import": _import, "factory": _factory, "flask": _flask, "django": _django}
