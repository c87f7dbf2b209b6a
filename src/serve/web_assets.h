/* web_assets.h -- the page's files, compressed when the program was built. The table is generated
 * in the build folder (web/build.mjs, cmake/web.cmake) and lives as long as the program. */
#ifndef CQED_SERVE_WEB_ASSETS_H
#define CQED_SERVE_WEB_ASSETS_H

#include <stddef.h>
#include <stdint.h>

struct web_asset {
    const char *path; /* "/app.js" */
    const char *content_type;
    const char *etag; /* quoted, of the plain bytes' SHA-256 */
    const uint8_t *gzip;
    size_t gzip_bytes;
};

extern const struct web_asset web_assets[];
extern const size_t web_n_assets;

#endif
