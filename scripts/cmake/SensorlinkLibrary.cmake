# SPDX-License-Identifier: Apache-2.0
#
# libsensorlink: the object code of the sensor's rooms in one library, and what belongs to it in an
# installation: headers, sensorlink.pc and the CMake package Sensorlink (Sensorlink::sensorlink).
include(CMakePackageConfigHelpers)

# A list for the linker of what the shared library shows: the functions that the public headers
# declare, read from the headers, so that there is no second list to keep in step.
function(sl_write_exports output)
    file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/sensorlink/*.h")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
    set(names "")
    foreach(header IN LISTS headers)
        file(READ "${header}" text)
        # Comments mention functions of ours that aren't public. CMake's expressions are greedy,
        # so the end of a comment is first made one character that occurs nowhere else.
        string(ASCII 1 end)
        string(REPLACE "*/" "${end}" text "${text}")
        string(REGEX REPLACE "/\\*[^${end}]*${end}" "" text "${text}")
        string(REGEX MATCHALL "sl_[a-z0-9_]+\\(" found "${text}")
        list(APPEND names ${found})
    endforeach()
    list(REMOVE_DUPLICATES names)
    list(SORT names)
    set(map "SENSORLINK_${PROJECT_VERSION_MAJOR} {\n    global:\n")
    foreach(name IN LISTS names)
        string(REPLACE "(" "" name "${name}")
        string(APPEND map "        ${name};\n")
    endforeach()
    string(APPEND map "    local:\n        *;\n};\n")
    file(CONFIGURE OUTPUT "${output}" CONTENT "${map}" @ONLY)
endfunction()

# sl_library(ROOMS base wire ... LINK sl_mbedtls ...)
function(sl_library)
    cmake_parse_arguments(PARSE_ARGV 0 library "" "" "ROOMS;LINK")
    add_library(sensorlink)
    add_library(Sensorlink::sensorlink ALIAS sensorlink)
    foreach(room IN LISTS library_ROOMS)
        target_sources(sensorlink PRIVATE $<TARGET_OBJECTS:sl_${room}>)
    endforeach()
    target_link_libraries(sensorlink PRIVATE ${library_LINK})
    target_include_directories(sensorlink INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    set_target_properties(sensorlink PROPERTIES
        LINKER_LANGUAGE C VERSION "${PROJECT_VERSION}" SOVERSION "${PROJECT_VERSION_MAJOR}")
    if(BUILD_SHARED_LIBS)
        set(exports "${CMAKE_CURRENT_BINARY_DIR}/sensorlink.map")
        sl_write_exports("${exports}")
        target_link_options(sensorlink PRIVATE
            "-Wl,--version-script=${exports}" -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
        # A sanitizer's own functions come with the program that uses the library.
        if(NOT SENSORLINK_SANITIZE AND NOT SENSORLINK_FUZZ)
            target_link_options(sensorlink PRIVATE -Wl,-z,defs)
        endif()
        set_property(TARGET sensorlink PROPERTY LINK_DEPENDS "${exports}")
    endif()
    sl_install_library()
endfunction()

function(sl_install_library)
    set(package "${CMAKE_INSTALL_LIBDIR}/cmake/Sensorlink")
    install(TARGETS sensorlink EXPORT SensorlinkTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/sensorlink"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
    install(EXPORT SensorlinkTargets NAMESPACE Sensorlink:: DESTINATION "${package}")

    configure_package_config_file("${PROJECT_SOURCE_DIR}/scripts/cmake/SensorlinkConfig.cmake.in"
        "${CMAKE_CURRENT_BINARY_DIR}/SensorlinkConfig.cmake" INSTALL_DESTINATION "${package}"
        NO_SET_AND_CHECK_MACRO)
    write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/SensorlinkConfigVersion.cmake"
        COMPATIBILITY SameMinorVersion)
    install(FILES
        "${CMAKE_CURRENT_BINARY_DIR}/SensorlinkConfig.cmake"
        "${CMAKE_CURRENT_BINARY_DIR}/SensorlinkConfigVersion.cmake"
        "${PROJECT_SOURCE_DIR}/scripts/cmake/SensorlinkDependencies.cmake"
        DESTINATION "${package}")

    # Who links a static library links what it stands on; a shared one brings that itself.
    set(libraries "-lmbedtls -lmbedx509 -lmbedcrypto -lpthread")
    if(BUILD_SHARED_LIBS)
        set(more "Requires.private: sqlite3\nLibs.private: ${libraries}")
        set(libraries "")
    else()
        set(more "Requires: sqlite3")
    endif()
    file(RELATIVE_PATH SENSORLINK_PC_TO_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" SENSORLINK_PC_TO_PREFIX "${SENSORLINK_PC_TO_PREFIX}")
    configure_file("${PROJECT_SOURCE_DIR}/scripts/cmake/sensorlink.pc.in"
        "${CMAKE_CURRENT_BINARY_DIR}/sensorlink.pc" @ONLY)
    install(FILES "${CMAKE_CURRENT_BINARY_DIR}/sensorlink.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()
