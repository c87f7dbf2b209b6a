# Debian 12 packages only; deps.txt says why each is here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(package jansson libfyaml zlib libzstd gnutls libuv libmicrohttpd libcurl libnghttp2 sqlite3 cmocka)
    pkg_check_modules(${package} REQUIRED IMPORTED_TARGET ${package})
endforeach()
find_library(RE2_LIBRARY re2 REQUIRED)
find_library(SNAPPY_LIBRARY snappy REQUIRED)

set(CODEC_LIBS PkgConfig::jansson PkgConfig::libfyaml PkgConfig::zlib PkgConfig::libzstd
    PkgConfig::gnutls ${RE2_LIBRARY} ${SNAPPY_LIBRARY})
set(IO_LIBS PkgConfig::libuv PkgConfig::libmicrohttpd PkgConfig::libcurl
    PkgConfig::libnghttp2 PkgConfig::gnutls)
set(LEDGER_LIBS PkgConfig::sqlite3)
