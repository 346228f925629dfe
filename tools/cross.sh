#!/bin/bash
# cross.sh TARGET...: compiles and links the C core for machines that are not here, with zig's clang
#
# A target is zig's name, as aarch64-macos.11.0 or x86_64-linux-gnu.2.28: the number is the oldest
# macOS or glibc whose symbols may be used. Linking finds what a libc does not have. Nothing is run.
# The modules of build/ext, when they are there, are compiled, too, with the Python headers of here.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=build/zig
if [ ! -x $tools/bin/ninja ]; then
    python3 -m venv $tools
    $tools/bin/pip install --quiet 'ziglang>=0.13' cmake ninja
fi
python=$PWD/$tools/bin/python
export PATH=$PWD/$tools/bin:$PATH

headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
mkdir -p build/cross
for target in "$@"; do
    folder=build/cross/$target
    cmake -S native -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DMEGHNA_NATIVE_TESTS=OFF \
        -DCMAKE_TOOLCHAIN_FILE="$PWD/native/cmake/zig.cmake" -DZIG_TARGET="$target" \
        -DZIG_PYTHON="$python" >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
    cmake --build "$folder" -j 2 >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
    mapfile -t objects < <(find "$folder" -path '*mg_*.dir*' -name '*.o')
    undefined=()
    [[ $target == *macos* ]] || undefined=(-Wl,--no-undefined)
    "$python" -m ziglang cc -target "$target" -shared "${undefined[@]}" "${objects[@]}" -pthread \
        -o "$folder/libmeghna"
    modules=(build/ext/src/meghna/*/*.c)
    [ -f "${modules[0]}" ] || modules=()
    for module in "${modules[@]}"; do
        "$python" -m ziglang cc -target "$target" -D_GNU_SOURCE -Inative -isystem "$headers" -O0 \
            -w -c "$module" -o "$folder/module.o"
    done
    echo "$target: ${#objects[@]} files compile and link, ${#modules[@]} modules compile"
done
