"""Rules about the source itself, so that review never has to repeat them.

Each test holds one rule of the house and lists every place that breaks it. A rule that needs an
exemption is wrong, or the code is; the few sanctioned places stand in the tables below, by name
and with the reason.
"""

from __future__ import annotations

import ast
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "meghna"
NATIVE = ROOT / "native"
HANDLERS = PACKAGE / "broker" / "handlers"

# A folder may use only folders named before it.
NATIVE_ORDER = ["base", "batch", "file", "log", "partition", "wire", "net", "server"]
PACKAGE_ORDER = [
    "_native", "protocol", "metadata", "storage", "engine", "groups", "transactions",
    "replication", "security", "broker", "registry", "console", "bench", "testing", "cli",
]  # fmt: skip

LINE_WIDTH = 100
HANDLER_LINES_MAX = 150

# Served by the C core, so they have no handler in Python.
EXPRESS_LANE_KEYS = {0, 1}

# What a C file may not call, and why.
BANNED_CALLS = {
    r"strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca": "has no bound",
    r"atoi|atol|atoll|atof": "cannot report an error",
    r"time|gettimeofday|localtime|ctime": "the time is a parameter",
    r"s?rand|random|drand48": "randomness is a parameter",
    r"setjmp|longjmp|exit|abort|printf|puts|perror": "is for programs, not for a library",
}
# Where one of them is what the file is for.
CALLS_ALLOWED = {("base/status.c", "abort"): "a failed assert ends the process"}
# memcpy needs a bound that a cursor or a writer has checked; these files hold such bounds.
MEMCPY_FOLDERS = {"base"}
MEMCPY_FILES = {"file/memory.c"}  # a disk in memory: its bytes are what it copies
# The verbs of functions that may allocate.
ALLOCATING_VERBS = re.compile(r"open|init|grow|reserve|add|start|load|create|prepare|publish|adopt")
# Functions elsewhere that may, because no record waits for them; all are bounded by what they read.
ALLOCATING_FILES = {
    "file/memory.c": "is a disk in memory, for tests",
    "log/inventory.c": "lists a directory when a log is opened",
    "log/salvage.c": "repairs a log when it is opened",
    "log/upkeep.c": "truncates and repairs",
}
ALLOCATING_FUNCTIONS = {
    "read_whole": "a checkpoint or a snapshot, whose size has a wall",
    "mg_producers_save": "a snapshot, at a roll and by a worker",
    "encode": "a checkpoint, at a change of the leader epoch",
}
# Words that the vocabulary replaces: index, position, size, frame, context spelled out, ...
BANNED_NAMES = re.compile(r"\b(nr|idx|pos|msg|buf|ctx|mgr|util|utils|helper|helpers)\b")


def sources(*patterns: str) -> list[Path]:
    return sorted(
        path
        for pattern in patterns
        for path in ROOT.glob(pattern)
        if path.is_file() and "build" not in path.relative_to(ROOT).parts
    )


def native_sources() -> list[Path]:
    return [path for path in sources("native/*/*.[ch]") if path.parent.name in NATIVE_ORDER]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_comments(text: str) -> str:
    """C without its comments and string contents; lines stay where they are."""

    def blank(match: re.Match[str]) -> str:
        token = match.group()
        return '""' if token.startswith('"') else re.sub(r"[^\n]", " ", token)

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.DOTALL)


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    return iter(enumerate(path.read_text().splitlines(), 1))


def code_lines(path: Path) -> Iterator[tuple[int, str]]:
    return iter(enumerate(without_comments(path.read_text()).splitlines(), 1))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def fail_listing(wrong: list[str]) -> None:
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


# --- layers -----------------------------------------------------------------------------------


def imported_modules(path: Path) -> list[tuple[int, str]]:
    """Every module that a .py, .pyi or .pyx file imports, as absolute names."""
    if path.suffix == ".pyx":
        pattern = re.compile(r"^\s*(?:from|import|cimport)\s+(meghna[\w.]*)")
        return [(n, m.group(1)) for n, line in numbered(path) if (m := pattern.match(line))]
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found.append((node.lineno, module))
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
    return found


def test_folders_only_import_folders_named_before_them() -> None:
    wrong = []
    for path in sources("src/meghna/*/**/*.py", "src/meghna/*/**/*.py[xi]"):
        here = path.relative_to(PACKAGE).parts[0]
        for line, module in imported_modules(path):
            package, *rest = module.split(".")
            if package != "meghna" or not rest or rest[0] not in PACKAGE_ORDER:
                continue
            if PACKAGE_ORDER.index(rest[0]) > PACKAGE_ORDER.index(here):
                wrong.append(f"{shown(path)}:{line}: {here} may not import {rest[0]}")
    fail_listing(sorted(set(wrong)))


def test_modules_at_the_root_stand_on_no_folder() -> None:
    wrong = []
    for path in sources("src/meghna/*.py"):
        if path.stem in ("__init__", "__main__"):
            continue  # they hand out what the folders hold
        for line, module in imported_modules(path):
            if module.startswith("meghna.") and module.split(".")[1] in PACKAGE_ORDER:
                wrong.append(f"{shown(path)}:{line}: {module}")
    fail_listing(wrong)


def test_every_folder_has_its_place_in_the_order() -> None:
    folders = {path.parent.name for path in sources("src/meghna/*/*.py")}
    assert folders <= set(PACKAGE_ORDER)
    native = {path.parent.name for path in sources("native/*/*.[ch]")}
    assert native - {"tests", "fuzz"} <= set(NATIVE_ORDER)


def test_native_includes_only_folders_named_before_it() -> None:
    wrong = []
    for path in native_sources():
        here = path.parent.name
        for number, line in numbered(path):
            if "Python.h" in line:
                wrong.append(f"{shown(path)}:{number}: the core knows nothing of Python")
            if not (match := re.match(r'#include "(?:(\w+)/)?', line)):
                continue
            there = match.group(1)
            if there is None:
                wrong.append(f"{shown(path)}:{number}: name the folder in the include")
            elif there not in NATIVE_ORDER[: NATIVE_ORDER.index(here) + 1]:
                wrong.append(f"{shown(path)}:{number}: {here} may not include {there}")
    fail_listing(wrong)


def test_coordinators_know_neither_wire_types_nor_sockets_nor_the_time() -> None:
    forbidden = ("meghna.protocol", "socket", "time", "datetime", "random")
    wrong = [
        f"{shown(path)}:{line}: {module}"
        for path in sources("src/meghna/groups/*.py", "src/meghna/transactions/*.py")
        # The format of what they store is not what they are asked.
        if path.name != "record_format.py"
        for line, module in imported_modules(path)
        if module.startswith("meghna.protocol.messages") or module in forbidden
    ]
    fail_listing(wrong)


# --- the page ---------------------------------------------------------------------------------


def test_lines_fit_the_page() -> None:
    patterns = (
        "native/**/*.[ch]", "src/**/*.py", "src/**/*.py[xid]", "tests/**/*.py", "tools/**/*.py",
        "tools/**/*.sh", "benchmarks/**/*.py", "benchmarks/**/*.[ch]", "CMakeLists.txt",
        "native/CMakeLists.txt",
    )  # fmt: skip
    wrong = [
        f"{shown(path)}:{number}: {len(line)} columns"
        for path in sources(*patterns)
        for number, line in numbered(path)
        if len(line) > LINE_WIDTH and "/seeds/" not in str(path)
    ]
    fail_listing(wrong)


def test_every_header_begins_with_its_contract() -> None:
    wrong = [
        shown(path)
        for path in sources("native/**/*.h", "benchmarks/**/*.h")
        if not re.match(rf"/\* {re.escape(path.name)} -- \S", path.read_text())
    ]
    fail_listing(wrong)


def test_every_c_file_has_its_contract_in_itself_or_in_its_header() -> None:
    wrong = []
    for path in sources("native/**/*.c", "benchmarks/**/*.c"):
        text = path.read_text()
        own = path.with_suffix(".h")
        first = re.match(r'#include "(?:\w+/)*(\w+\.h)"', text)
        is_own = own.exists() and first is not None and first.group(1) == own.name
        if not (text.startswith("/*") or is_own or "tests" in path.parts):
            wrong.append(f"{shown(path)}: begin with its own header or with what the file is")
    fail_listing(wrong)


def test_a_c_file_includes_its_own_header_first() -> None:
    wrong = []
    for path in native_sources():
        own = path.with_suffix(".h")
        if path.suffix != ".c" or not own.exists():
            continue
        includes = re.findall(r'^#include [<"]([^>"]+)', path.read_text(), re.MULTILINE)
        if not includes or includes[0] != str(own.relative_to(NATIVE)):
            wrong.append(shown(path))
    fail_listing(wrong)


def test_every_python_file_begins_with_its_contract() -> None:
    patterns = ("src/meghna/**/*.py", "tools/**/*.py", "benchmarks/**/*.py", "tests/**/conftest.py")
    wrong = [
        shown(path)
        for path in sources(*patterns)
        if path.read_text().strip() and not ast.get_docstring(parsed(path))
    ]
    wrong += [
        shown(path)
        for path in sources("src/meghna/**/*.pyx")
        if not re.match(r'(#[^\n]*\n)*"""\S', path.read_text())
    ]
    fail_listing(wrong)


def test_shell_scripts_stop_at_the_first_error_and_say_what_they_are() -> None:
    wrong = [
        shown(path)
        for path in [*sources("tools/**/*.sh", "benchmarks/**/*.sh"), ROOT / ".ci" / "run"]
        if not re.match(r"#!/bin/bash\n# \S", text := path.read_text())
        or "set -euo pipefail" not in text
    ]
    fail_listing(wrong)


def test_every_work_left_has_an_issue_number() -> None:
    wrong = [
        f"{shown(path)}:{number}"
        for path in sources("native/**/*.[ch]", "src/**/*.py*", "tests/**/*.py", "tools/**/*")
        if path != Path(__file__)
        and path.suffix not in (".pyc", ".so")
        and "/seeds/" not in str(path)
        for number, line in numbered(path)
        if re.search(r"\b(TODO|FIXME|XXX)\b(?! ?\(#\d+\))", line)
    ]
    fail_listing(wrong)


def test_nothing_names_a_place_on_one_machine() -> None:
    # Kafka's own default of log.dirs is a fact, and mkdtemp wants a template.
    fine = re.compile(r"/tmp/kafka-logs|/tmp/[\w-]+XXXXXX")
    places = re.compile(r"(?<![\w.}])/(?:work|root|home/\w+|tmp)/|\.\./shared")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    wrong = []
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or path == Path(__file__):
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue  # fixtures in bytes
        wrong += [
            f"{name}:{number}: {line}"
            for number, line in enumerate(lines, 1)
            if places.search(fine.sub("", line))
        ]
    fail_listing(wrong)


def test_documents_name_only_files_that_exist() -> None:
    named = re.compile(r"`((?:native|src|tests|benchmarks|tools|docs)/[\w./-]+)`")
    linked = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
    wrong = []
    for path in [*sources("docs/**/*.md"), ROOT / "README.md"]:
        text = path.read_text()
        wrong += [
            f"{shown(path)}: {name}"
            for name in named.findall(text)
            if not any(ROOT.glob(name.rstrip("/")))
        ]
        wrong += [
            f"{shown(path)}: {name}"
            for name in linked.findall(text)
            if not (path.parent / name).exists()
        ]
    fail_listing(wrong)


# --- C ----------------------------------------------------------------------------------------


def enclosing_functions(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line number, line, name of the function that it stands in) for the lines of bodies."""
    name, depth = "", 0
    signature: list[str] = []
    for number, line in code_lines(path):
        if depth == 0:
            if line.startswith("{"):
                found = re.search(r"(\w+)\s*\(", " ".join(signature))
                name = found.group(1) if found else ""
            elif re.match(r"[};#]|\s*$", line) or line.rstrip().endswith(";"):
                signature = []
            elif re.match(r"\S", line) and not (signature and "(" in signature[0]):
                signature = [line]
            else:
                signature.append(line)
        elif name:
            yield number, line, name
        depth += line.count("{") - line.count("}")
        if depth == 0 and "}" in line:
            name, signature = "", []


def test_banned_calls_are_not_made() -> None:
    wrong = []
    for path in native_sources():
        here = str(path.relative_to(NATIVE))
        for number, line in code_lines(path):
            for pattern, reason in BANNED_CALLS.items():
                for call in re.findall(rf"(?<![\w.>])({pattern})\s*\(", line):
                    if (here, call) not in CALLS_ALLOWED:
                        wrong.append(f"{shown(path)}:{number}: {call} {reason}")
    fail_listing(wrong)


def test_memory_is_copied_only_where_a_bound_was_checked() -> None:
    wrong = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in native_sources()
        if path.parent.name not in MEMCPY_FOLDERS
        and str(path.relative_to(NATIVE)) not in MEMCPY_FILES
        for number, line in code_lines(path)
        if re.search(r"(?<!\w)(memcpy|memmove)\s*\(", line)
    ]
    fail_listing(wrong)


def test_only_opening_and_growing_functions_allocate() -> None:
    call = re.compile(r"(?<!\w)(malloc|calloc|realloc|reallocarray|aligned_alloc|strdup)\s*\(")
    wrong = [
        f"{shown(path)}:{number}: in {name}"
        for path in native_sources()
        for number, line, name in enclosing_functions(path)
        if call.search(line)
        and not ALLOCATING_VERBS.search(name)
        and name not in ALLOCATING_FUNCTIONS
        and str(path.relative_to(NATIVE)) not in ALLOCATING_FILES
    ]
    fail_listing(wrong)


def test_no_macro_hides_control_flow() -> None:
    wrong = []
    for path in native_sources():
        text = without_comments(path.read_text()).replace("\\\n", " ")
        for define in re.findall(r"^[ \t]*#[ \t]*define[^\n]*", text, re.MULTILINE):
            if re.search(r"\b(return|goto|break|continue)\b", define):
                wrong.append(f"{shown(path)}: {define.split('(')[0]}")
    fail_listing(wrong)


def test_goto_goes_only_to_fail() -> None:
    wrong = [
        f"{shown(path)}:{number}"
        for path in native_sources()
        for number, line in code_lines(path)
        if re.search(r"\bgoto\s+(?!fail;)", line)
    ]
    fail_listing(wrong)


def test_nothing_mutable_is_global() -> None:
    declared = re.compile(
        r"^(?:static |extern )?(?!.*\bconst\b)(?:struct |enum )?\w[\w *]*?\*?\b(\w+)(?:\[[^]]*\])*"
        r"(?: = .*|;)$"
    )
    not_data = ("typedef", "struct ", "enum ", "union ", "return", "extern", "}")
    wrong = []
    for path in native_sources():
        for number, line in code_lines(path):
            if "(" in line or (line.startswith(not_data) and line.endswith(";")):
                continue
            if (match := declared.match(line)) and "crc32c" not in path.name:
                wrong.append(f"{shown(path)}:{number}: {match.group(1)}")
    fail_listing(wrong)


def test_names_come_from_the_vocabulary() -> None:
    wrong = []
    for path in native_sources():
        wrong += [
            f"{shown(path)}:{number}: {match.group()}"
            for number, line in code_lines(path)
            if not line.startswith("#include") and (match := BANNED_NAMES.search(line))
        ]
    for path in sources("src/meghna/**/*.py"):
        for node in ast.walk(parsed(path)):
            name = ""
            if isinstance(node, ast.arg):
                name = node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = node.name
            if BANNED_NAMES.fullmatch(name):
                wrong.append(f"{shown(path)}:{getattr(node, 'lineno', 0)}: {name}")
        if BANNED_NAMES.fullmatch(path.stem):
            wrong.append(shown(path))
    fail_listing(wrong)


def compiles_alone(header: Path) -> str | None:
    flags = ["-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", f"-I{NATIVE}", f"-I{NATIVE / 'tests'}"]
    done = subprocess.run(
        ["gcc", *flags, "-x", "c", str(header)], capture_output=True, text=True, check=False
    )
    errors = [line for line in done.stderr.splitlines() if " error:" in line]
    return errors[0] if errors else None


def test_headers_compile_alone() -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = pool.map(compiles_alone, sources("native/**/*.h"))
        fail_listing([answer for answer in answers if answer])


def test_every_header_is_included_by_somebody() -> None:
    texts = [path.read_text() for path in sources("native/**/*.[ch]", "src/**/*.pyx")]
    wrong = [
        shown(path)
        for path in native_sources()
        if path.suffix == ".h" and not any(f'"{path.relative_to(NATIVE)}"' in t for t in texts)
    ]
    fail_listing(wrong)


def test_every_c_module_has_a_test_of_its_own() -> None:
    """A file without a header is a part of the module whose header it includes first."""
    wrong = []
    for path in native_sources():
        if path.suffix != ".c" or not path.with_suffix(".h").exists():
            continue
        tests = NATIVE / "tests" / path.parent.name
        header = f'#include "{path.with_suffix(".h").relative_to(NATIVE)}"'
        includes = any(header in test.read_text() for test in tests.glob("*_test.c"))
        if not includes and not (tests / f"{path.stem}_test.c").exists():
            wrong.append(f"{shown(path)}: no test in {shown(tests)} is about it")
    fail_listing(wrong)


# --- Python -----------------------------------------------------------------------------------


def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def test_library_code_does_not_print() -> None:
    wrong = [
        f"{shown(path)}:{line}"
        for path in sources("src/meghna/**/*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("cli", "bench", "__main__.py")
        for line, call in calls(path)
        if call == "print"
    ]
    fail_listing(wrong)


def test_every_task_is_born_in_a_group() -> None:
    bare = re.compile(r"(asyncio|\w*loop(\(\))?)\.create_task|(\w+\.)?ensure_future")
    wrong = [
        f"{shown(path)}:{line}: {call}"
        for path in sources("src/meghna/**/*.py")
        for line, call in calls(path)
        if bare.fullmatch(call)
    ]
    fail_listing(wrong)


def test_time_and_randomness_come_in_as_parameters() -> None:
    world = re.compile(
        r"time\.(time|time_ns|monotonic|monotonic_ns|sleep)|random\.\w+|datetime\.(now|utcnow)"
        r"|uuid\.uuid[14]"
    )
    programs = ("cli", "bench", "testing", "clock.py")
    wrong = [
        f"{shown(path)}:{line}: {call}"
        for path in sources("src/meghna/**/*.py")
        if path.relative_to(PACKAGE).parts[0] not in programs
        for line, call in calls(path)
        if world.fullmatch(call)
    ]
    fail_listing(wrong)


def test_no_signature_says_any() -> None:
    wrong = []
    for path in sources("src/meghna/**/*.py"):
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            hints = [arg.annotation for arg in every] + [node.returns]
            if any(
                isinstance(part, ast.Name) and part.id == "Any"
                for hint in hints
                if hint is not None
                for part in ast.walk(hint)
            ):
                wrong.append(f"{shown(path)}:{node.lineno}: {node.name}")
    fail_listing(wrong)


def test_kafka_error_codes_stay_in_handlers() -> None:
    allowed = {"errors.py", "broker", "cli", "testing", "protocol"}
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in sources("src/meghna/**/*.py")
        if path.relative_to(PACKAGE).parts[0] not in allowed
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Name | ast.Attribute)
        and (node.id if isinstance(node, ast.Name) else node.attr) == "ErrorCode"
    ]
    fail_listing(wrong)


def test_bindings_hold_no_policy() -> None:
    wrong = []
    for path in sources("src/meghna/**/*.pyx"):
        if not path.with_suffix(".pyi").exists():
            wrong.append(f"{shown(path)}: no .pyi with types and docstrings")
        if path.name == "codec.pyx":
            continue  # the one exception by name: the table-driven codec
        wrong += [
            f"{shown(path)}:{number}: {line.strip()}"
            for number, line in numbered(path)
            if re.match(r"\s*(try:|except\b.*:|cpdef\b|include\b)", line)
            and not re.match(r"\s*try:", line)
        ]
    fail_listing(wrong)


def test_every_module_has_a_test_that_names_it() -> None:
    tests = "\n".join(path.read_text() for path in sources("tests/**/*.py"))
    names = {path.name for path in sources("tests/**/*.py")}
    wrong = []
    for path in sources("src/meghna/**/*.py"):
        has_code = any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(parsed(path))
        )
        if path.name.startswith("__") or not has_code:
            continue
        module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        parent, name = module.rsplit(".", 1)
        imported = re.compile(rf"from {re.escape(parent)} import .*\b{name}\b")
        if path.parent == HANDLERS and f"{name.title().replace('_', '')}Request" in tests:
            continue  # handlers are tested by conversation, several to a file
        if f"test_{path.stem}.py" not in names and not (module in tests or imported.search(tests)):
            wrong.append(f"{shown(path)}: no tests/**/test_{path.stem}.py")
    fail_listing(wrong)


# --- what the documents promise ----------------------------------------------------------------


def invariants() -> set[str]:
    path = ROOT / "docs" / "INVARIANTS.md"
    if not path.exists():
        pytest.fail("docs/INVARIANTS.md is missing", pytrace=False)
    return set(re.findall(r"^[|#*\-\s`]*([A-Z]{1,2}\d{1,2})\b", path.read_text(), re.MULTILINE))


def test_every_invariant_has_a_check_and_a_test() -> None:
    code = "\n".join(p.read_text() for p in [*native_sources(), *sources("src/meghna/**/*.py*")
                                             ] if p.suffix not in (".pyc", ".so"))  # fmt: skip
    tests = "\n".join(p.read_text() for p in sources("native/tests/**/*.[ch]", "tests/**/*.py"))
    wrong = []
    for name in sorted(invariants()):
        word = re.compile(rf"\b{name}\b")
        wrong += [f"{name}: no check names it"] * (not word.search(code))
        wrong += [f"{name}: no test names it"] * (not word.search(tests))
    fail_listing(wrong)


def test_every_invariant_that_a_check_names_is_written_down() -> None:
    known = invariants()
    wrong = [
        f"{shown(path)}:{number}: {name}"
        for path in native_sources()
        for number, line in numbered(path)
        for name in re.findall(r"/\* ([A-Z]{1,2}\d{1,2}) \*/", line)
        if name not in known
    ]
    fail_listing(wrong)


def handler_constants(path: Path) -> dict[str, ast.expr]:
    found = {}
    for node in parsed(path).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = node.value
    return found


def handler_files() -> list[Path]:
    return [path for path in sources("src/meghna/broker/handlers/*.py") if path.stem[0] != "_"]


def test_every_handler_declares_its_key_and_versions_and_is_short() -> None:
    wrong = []
    for path in handler_files():
        constants = handler_constants(path)
        wrong += [f"{shown(path)}: no {n}" for n in ("API_KEY", "VERSIONS") if n not in constants]
        lines = len(path.read_text().splitlines())
        if lines > HANDLER_LINES_MAX:
            wrong.append(f"{shown(path)}: {lines} lines")
    assert handler_files(), "no handlers"
    fail_listing(wrong)


def test_every_api_has_a_handler_or_a_line_in_the_protocol_document() -> None:
    handled = set(EXPRESS_LANE_KEYS)
    for path in handler_files():
        value = handler_constants(path).get("API_KEY")
        if isinstance(value, ast.Constant) and isinstance(value.value, int):
            handled.add(value.value)
    document = ROOT / "docs" / "PROTOCOL.md"
    if not document.exists():
        pytest.fail("docs/PROTOCOL.md is missing", pytrace=False)
    listed = {int(key) for key in re.findall(r"^\|\s*(\d+)\s*\|", document.read_text(), re.M)}
    # =NAME request KEY VERSIONS FLEXIBLE listeners=...: those that clients may send to a broker.
    table = (PACKAGE / "protocol" / "messages.txt").read_text()
    requests = re.findall(r"^=\w+ request (\d+) .*listeners=(\S+)", table, re.MULTILINE)
    keys = {int(key) for key, listeners in requests if "broker" in listeners.split(",")}
    assert len(keys) > 50
    fail_listing([f"API key {key}: no handler, no line" for key in sorted(keys - handled - listed)])
