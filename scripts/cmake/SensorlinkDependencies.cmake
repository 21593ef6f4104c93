# SPDX-License-Identifier: Apache-2.0
#
# The libraries we stand on, each as one imported interface target, however the system describes
# them: sl_mbedtls, sl_sqlite, sl_uv, sl_inih, sl_seccomp. This file is also installed beside
# SensorlinkConfig.cmake, because a static libsensorlink needs its user to link some of them.
#
# Set SENSORLINK_NEEDS beforehand to a shorter list to find only those.
include_guard(GLOBAL)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

if(NOT DEFINED SENSORLINK_NEEDS)
    set(SENSORLINK_NEEDS mbedtls sqlite uv inih seccomp)
endif()

function(sl_wrap target)
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    set_property(TARGET ${target} PROPERTY INTERFACE_LINK_LIBRARIES ${ARGN})
endfunction()

function(sl_find_by_pkgconfig target module minimum)
    pkg_check_modules(${target}_pc REQUIRED QUIET IMPORTED_TARGET GLOBAL "${module}>=${minimum}")
    message(STATUS "${module} ${${target}_pc_VERSION} (pkg-config)")
    sl_wrap(${target} PkgConfig::${target}_pc)
endfunction()

# Debian 12 ships Mbed TLS with neither a CMake package nor .pc files; Debian 13 ships both.
function(sl_find_mbedtls)
    find_package(MbedTLS CONFIG QUIET)
    if(MbedTLS_FOUND AND TARGET MbedTLS::mbedtls)
        message(STATUS "Mbed TLS ${MbedTLS_VERSION} (CMake package)")
        sl_wrap(sl_mbedtls MbedTLS::mbedtls MbedTLS::mbedx509 MbedTLS::mbedcrypto Threads::Threads)
        return()
    endif()

    pkg_check_modules(sl_mbedtls_pc QUIET IMPORTED_TARGET GLOBAL mbedtls mbedx509 mbedcrypto)
    if(sl_mbedtls_pc_FOUND)
        message(STATUS "Mbed TLS ${sl_mbedtls_pc_mbedtls_VERSION} (pkg-config)")
        sl_wrap(sl_mbedtls PkgConfig::sl_mbedtls_pc Threads::Threads)
        return()
    endif()

    find_path(MBEDTLS_INCLUDE_DIR mbedtls/ssl.h)
    find_library(MBEDTLS_LIBRARY mbedtls)
    find_library(MBEDX509_LIBRARY mbedx509)
    find_library(MBEDCRYPTO_LIBRARY NAMES mbedcrypto tfpsacrypto)
    foreach(part MBEDTLS_INCLUDE_DIR MBEDTLS_LIBRARY MBEDX509_LIBRARY MBEDCRYPTO_LIBRARY)
        if(NOT ${part})
            message(FATAL_ERROR "Mbed TLS isn't installed, or not whole (${part}). "
                "On Debian: apt-get install libmbedtls-dev")
        endif()
        mark_as_advanced(${part})
    endforeach()
    message(STATUS "Mbed TLS (headers and libraries in ${MBEDTLS_INCLUDE_DIR})")
    sl_wrap(sl_mbedtls
        "${MBEDTLS_LIBRARY}" "${MBEDX509_LIBRARY}" "${MBEDCRYPTO_LIBRARY}" Threads::Threads)
    set_property(TARGET sl_mbedtls PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${MBEDTLS_INCLUDE_DIR}")
endfunction()

if("mbedtls" IN_LIST SENSORLINK_NEEDS)
    sl_find_mbedtls()
endif()
if("sqlite" IN_LIST SENSORLINK_NEEDS)
    sl_find_by_pkgconfig(sl_sqlite sqlite3 3.40)
endif()
if("uv" IN_LIST SENSORLINK_NEEDS)
    sl_find_by_pkgconfig(sl_uv libuv 1.44)
endif()
if("inih" IN_LIST SENSORLINK_NEEDS)
    sl_find_by_pkgconfig(sl_inih inih 55)
endif()
if("seccomp" IN_LIST SENSORLINK_NEEDS)
    sl_find_by_pkgconfig(sl_seccomp libseccomp 2.5)
endif()
