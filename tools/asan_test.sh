#!/bin/bash
# Run tests of Python with the extension modules of a build under ASan and UBSan.
#
#   asan_test.sh BUILD PYTHON TESTS...
#
# The modules and the sources are put together in BUILD/site. The interpreter itself is not
# instrumented, so the sanitizer's library has to be loaded before it; and its `site` is passed
# over (-S), since that finds the modules beside the sources first. Leaks are not looked for: an
# interpreter that ends frees little.
set -euo pipefail
build=$1 python=$2
shift 2

rm -rf "$build/site"
cmake --install "$build" --prefix "$build/site" >/dev/null
tar -C src --exclude='*.so' -cf - meghna | tar -C "$build/site" -xf -

packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
export PYTHONPATH="$PWD/$build/site:$packages"
# With the library of C++, whose exceptions the sanitizer takes over: others' modules throw them.
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)"
# Into files, since pytest keeps what is written while a test runs to itself.
rm -f "$build"/report.*
export ASAN_OPTIONS=detect_leaks=0:log_path=$build/report UBSAN_OPTIONS=log_path=$build/report
status=0
"$python" -S -m pytest -q -p no:cacheprovider -o timeout=600 "$@" || status=$?
unset LD_PRELOAD
cat "$build"/report.* 2>/dev/null && status=1
exit "$status"
