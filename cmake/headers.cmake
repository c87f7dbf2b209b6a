# cqed_headers: one source a header that includes nothing else, so that every header compiles alone.
# One that says "after cmocka.h" gets that before it. Not part of `all`; `make check` builds it.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/src/*.h)
foreach(header ${headers})
    string(REPLACE ".h" ".c" alone ${CMAKE_BINARY_DIR}/headers/${header})
    set(before "")
    file(STRINGS ${CMAKE_SOURCE_DIR}/src/${header} behind_cmocka REGEX "after cmocka.h")
    if(behind_cmocka)
        foreach(needed setjmp stdarg stddef stdint cmocka)
            string(APPEND before "#include <${needed}.h>\n")
        endforeach()
    endif()
    file(CONFIGURE OUTPUT ${alone} CONTENT "${before}#include \"${header}\"\n")
    list(APPEND alone_sources ${alone})
endforeach()
add_library(cqed_headers OBJECT EXCLUDE_FROM_ALL ${alone_sources})
target_link_libraries(cqed_headers PRIVATE cqed_flags PkgConfig::cmocka PkgConfig::jansson PkgConfig::gnutls
    PkgConfig::libuv PkgConfig::libmicrohttpd PkgConfig::libcurl PkgConfig::sqlite3)
