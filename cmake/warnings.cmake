# One interface target that every stage links: warnings, hardening, sanitizers.
add_library(cqed_flags INTERFACE)
target_include_directories(cqed_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(cqed_flags INTERFACE _GNU_SOURCE CQED_VERSION="${PROJECT_VERSION}")
target_compile_options(cqed_flags INTERFACE
    -Wall -Wextra -Wshadow -Wvla -Wswitch-enum -Werror
    $<$<COMPILE_LANGUAGE:C>:-Wconversion -Wstrict-prototypes -Wmissing-prototypes>
    -fno-strict-aliasing -fno-omit-frame-pointer -ffp-contract=off)

if(CQED_SANITIZE)
    target_compile_options(cqed_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
    target_link_options(cqed_flags INTERFACE -fsanitize=address,undefined)
elseif(CQED_TSAN)
    target_compile_options(cqed_flags INTERFACE -fsanitize=thread)
    target_link_options(cqed_flags INTERFACE -fsanitize=thread)
elseif(CQED_COVER)
    target_compile_options(cqed_flags INTERFACE --coverage)
    target_link_options(cqed_flags INTERFACE --coverage)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_options(cqed_flags INTERFACE
        -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -U_FORTIFY_SOURCE
        -D_FORTIFY_SOURCE=2)
    target_link_options(cqed_flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
endif()
if(CQED_ANALYZE)
    target_compile_options(cqed_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-fanalyzer>)
endif()
if(CQED_TIDY)
    # The rules' digest is part of every command line, so that new rules are a new build.
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS .clang-tidy)
    file(SHA256 ${CMAKE_SOURCE_DIR}/.clang-tidy tidy_rules)
    target_compile_definitions(cqed_flags INTERFACE CQED_TIDY_RULES="${tidy_rules}")
    set(CMAKE_C_CLANG_TIDY clang-tidy --quiet)
endif()
if(CQED_FUZZ)
    target_compile_options(cqed_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
