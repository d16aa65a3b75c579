"""What every verb shares: its project, `--json` and `--project`, and the way from what happened to an exit code."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Generic, ParamSpec, get_type_hints

import typer

from headrace.cli.failures import outcome, unwritten
from headrace.cli.output import Answer, print_answer
from headrace.errors import InvalidInputError
from headrace.settings import Settings, find_project, is_project, load_settings, named_server

if TYPE_CHECKING:
    from headrace.store import Store

__all__ = ["HELP", "ProjectOption", "Session", "Verb", "noun", "verb"]

ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-C",
        metavar="DIR",
        help="The project's folder, or its server's address. Default: HEADRACE_SERVER, else the project at or above this folder.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output, and nothing else there.")]

HELP = {"help_option_names": ["-h", "--help"]}

P = ParamSpec("P")


class Session:
    """One run of a verb: the project it is about. The store is opened when it is first asked for.

    Attributes:
        target: what --project named; None for the project here.
        json: whether the answer is for a program.
    """

    def __init__(self, target: str | None = None, *, json: bool = False) -> None:
        self.target = target
        self.json = json
        self._store: Store | None = None

    @property
    def server(self) -> str | None:
        """The address of the project's server, which --project or HEADRACE_SERVER names; None for a project in a folder."""
        if self.target is None:
            return named_server()
        return self.target if "://" in self.target else None

    @property
    def folder(self) -> Path:
        """The project's folder; with a server, that of the project here. Raises InvalidInputError if --project names none."""
        target = None if self.server is not None else self.target
        try:
            folder = Path.cwd() if target is None else Path(target).expanduser()
            if folder.is_dir():
                return find_project(folder)
        except (OSError, RuntimeError) as error:  # it may not be entered, was removed, has too long a name, or no such ~user
            msg = (
                f"{'this folder' if target is None else target[:200]} can't be used: {getattr(error, 'strerror', None) or error}"
            )
            raise InvalidInputError(msg) from error
        msg = f"{target}: there is no such folder; name that of a project, or the address of its server"
        raise InvalidInputError(msg)

    @property
    def settings(self) -> Settings:
        """The project's settings; with a server, those of the project around here, if there is one. Raises SettingsError."""
        return load_settings(self.home)

    @property
    def home(self) -> Path:
        """Where a project's modules of definitions are: its folder, or with a server the one around here."""
        return self.folder if self.server is not None else self.require()

    @property
    def store(self) -> Store:
        """The project's store. Raises InvalidInputError where no project is, and SettingsError, StorageError."""
        if self._store is None:
            from headrace.project import connect

            self._store = connect(self.server or str(self.require()))
        return self._store

    def require(self) -> Path:
        """The project's folder, for verbs that don't make one by themselves: with a headrace.toml, a .headrace folder, or
        HEADRACE_CATALOG in the environment. Raises InvalidInputError if it isn't here."""
        if self.server is not None:
            msg = f"this works on a project's own files, and {self.server} is a server; name the folder with --project DIR"
            raise InvalidInputError(msg)
        folder = self.folder
        if not is_project(folder):
            msg = f"there is no project in {folder} or above; make one with 'headrace init', or name one with --project DIR"
            raise InvalidInputError(msg)
        return folder

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self._store is not None:
            self._store.close()


@dataclass(frozen=True)
class Verb(Generic[P]):
    """A command: a function of a session and the command's own arguments. Called like the function.

    Attributes:
        name: what people type.
        examples: command lines for the end of its help.
    """

    name: str
    function: Callable[Concatenate[Session, P], Answer]
    examples: tuple[str, ...]

    def __call__(self, session: Session, *args: P.args, **kwargs: P.kwargs) -> Answer:
        return self.function(session, *args, **kwargs)

    def add_to(self, app: typer.Typer, panel: str | None = None) -> None:
        """Make it a command of a Typer application, with --project and --json beside its own parameters."""
        epilog = "Examples:\n\n" + "\n\n".join(f"  {example}" for example in self.examples)
        app.command(self.name, epilog=epilog, rich_help_panel=panel, context_settings=HELP)(_command(self.function))


def verb(name: str, *examples: str) -> Callable[[Callable[Concatenate[Session, P], Answer]], Verb[P]]:
    """Make a function a verb. Its docstring is the command's help."""
    return lambda function: Verb(name, function, examples)


def noun(text: str, verbs: Sequence[Verb[...]], cls: type[typer.core.TyperGroup] | None = None) -> typer.Typer:
    """A command of several verbs; `cls` says what happens where none is named. Default: its help is shown."""
    app = typer.Typer(help=text, no_args_is_help=cls is None, rich_markup_mode="rich", context_settings=HELP, cls=cls)
    for item in verbs:
        item.add_to(app)
    return app


def _command(function: Callable[..., Answer]) -> Callable[..., int]:
    hints = get_type_hints(function, include_extras=True)
    own = [parameter.replace(annotation=hints[parameter.name]) for parameter in inspect.signature(function).parameters.values()][
        1:
    ]

    def run(ctx: typer.Context, **values: Any) -> int:
        target = values.pop("project_") or ctx.find_root().params.get("project")
        session = Session(target, json=values.pop("json_"))
        return outcome(lambda: _answer(session, function, values), folder=lambda: session.folder, as_json=session.json)

    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter("project_", keyword, default=None, annotation=ProjectOption),
        inspect.Parameter("json_", keyword, default=False, annotation=JsonOption),
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *[parameter.replace(kind=keyword) for parameter in own], *shared]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads the command from it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = (inspect.getdoc(function) or "").replace("[", r"\[")  # what is in brackets isn't markup: `headrace[plot]`
    run.__name__ = function.__name__
    return run


def _answer(session: Session, function: Callable[..., Answer], values: dict[str, Any]) -> int:
    stdout = sys.stdout
    with contextlib.closing(session), contextlib.redirect_stdout(sys.stderr if session.json else stdout):
        answer = function(session, **values)
    try:
        print_answer(answer, stdout, as_json=session.json)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error
    return answer.code
