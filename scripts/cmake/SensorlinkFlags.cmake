# SPDX-License-Identifier: Apache-2.0
#
# The compiler's flags: one interface target, sl_flags, for everything of ours, and what has to be
# the same in every object of a build (sanitizers, coverage, fuzzing) for the whole directory tree.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckPIESupported)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)

# Asserts are for our own bugs and stay on in every build.
foreach(config RELEASE RELWITHDEBINFO MINSIZEREL)
    string(REGEX REPLACE "(^| )-DNDEBUG( |$)" " " CMAKE_C_FLAGS_${config} "${CMAKE_C_FLAGS_${config}}")
endforeach()

add_library(sl_flags INTERFACE)
target_compile_definitions(sl_flags INTERFACE
    _GNU_SOURCE
    SENSORLINK_VERSION="${PROJECT_VERSION}")
target_compile_options(sl_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wvla
    -fno-common
    $<$<BOOL:${SENSORLINK_WERROR}>:-Werror>)

# Hardening. Each flag is tried, so that a compiler or a processor without one still builds.
foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection)
    string(MAKE_C_IDENTIFIER "SENSORLINK_HAS${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
        target_compile_options(sl_flags INTERFACE ${flag})
    endif()
endforeach()
target_link_options(sl_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

# glibc answers a level that it doesn't know with a #warning, and without optimisation likewise.
if(NOT SENSORLINK_SANITIZE AND NOT SENSORLINK_FUZZ AND NOT SENSORLINK_COVERAGE)
    set(CMAKE_REQUIRED_FLAGS "-O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
    check_c_source_compiles("#include <string.h>\nint main(void) { return 0; }" SENSORLINK_HAS_FORTIFY_3)
    unset(CMAKE_REQUIRED_FLAGS)
    set(level 2)
    if(SENSORLINK_HAS_FORTIFY_3)
        set(level 3)
    endif()
    target_compile_options(sl_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
        $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=${level}>)
endif()

if(SENSORLINK_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "SENSORLINK_FUZZ needs clang: configure with -DCMAKE_C_COMPILER=clang")
    endif()
    if(SENSORLINK_SANITIZE)
        message(FATAL_ERROR "SENSORLINK_FUZZ brings its own sanitizers: leave SENSORLINK_SANITIZE empty")
    endif()
    set(instrument -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(SENSORLINK_SANITIZE STREQUAL "address")
    set(instrument -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(SENSORLINK_SANITIZE STREQUAL "thread")
    set(instrument -fsanitize=thread)
elseif(SENSORLINK_SANITIZE)
    message(FATAL_ERROR "SENSORLINK_SANITIZE is '${SENSORLINK_SANITIZE}': it can be address, thread or empty")
endif()
if(instrument)
    add_compile_options(${instrument} -fno-omit-frame-pointer)
    add_link_options(${instrument})
endif()
if(SENSORLINK_COVERAGE)
    add_compile_options(--coverage -O0)
    add_link_options(--coverage)
endif()
