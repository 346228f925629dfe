# Cross-compiles the core with zig's clang, which brings the headers and the symbol lists of every
# libc: -DZIG_TARGET=aarch64-macos.11.0, x86_64-linux-musl, ... The Python with ziglang in it is
# -DZIG_PYTHON. Nothing that is made so is ever shipped or run: it shows what does not compile.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIG_TARGET ZIG_PYTHON)
if(ZIG_TARGET MATCHES "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${ZIG_TARGET})
set(CMAKE_C_COMPILER ${ZIG_PYTHON} -m ziglang cc -target ${ZIG_TARGET})
