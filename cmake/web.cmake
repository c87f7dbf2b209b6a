# The page: web/ is bundled into <build>/web/dist, and into a C table that becomes a part of cqed_serve.
#
# node_modules lives once, in web/, for all build folders; tools/libraries lets one of them fetch it. The bundle itself
# takes less than a second, so each build folder makes its own; a depfile names every source it was made of.
find_program(NODE node REQUIRED)
set(WEB ${CMAKE_SOURCE_DIR}/web)
set(WEB_OUT ${CMAKE_BINARY_DIR}/web)
set(WEB_INSTALLED ${WEB}/node_modules/.installed)

add_custom_command(
    OUTPUT ${WEB_INSTALLED}
    COMMAND ${CMAKE_SOURCE_DIR}/tools/libraries web
    DEPENDS ${WEB}/package.json ${WEB}/package-lock.json
    COMMENT "Fetching the page's libraries (npm ci)"
    VERBATIM)
add_custom_command(
    OUTPUT ${WEB_OUT}/web_assets.c
    COMMAND ${NODE} ${WEB}/build.mjs ${WEB_OUT}
    DEPENDS ${WEB_INSTALLED} ${WEB}/build.mjs
    DEPFILE ${WEB_OUT}/web_assets.d
    COMMENT "Bundling the page"
    VERBATIM)
add_custom_target(web_page DEPENDS ${WEB_OUT}/web_assets.c)

target_sources(cqed_serve PRIVATE ${WEB_OUT}/web_assets.c)
