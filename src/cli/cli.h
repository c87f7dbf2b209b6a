/* cli.h -- the commands. They talk HTTP to a running server (contract: docs/manual/api.md); `check`
 * and the ledger's commands with --data read files alone. The table of commands is commands.c; each
 * command is one file. Manual: docs/manual/cli.md. */
#ifndef CQED_CLI_CLI_H
#define CQED_CLI_CLI_H

/* How a server runs is not this folder's matter: main hands it in. NULL = what the file says, or
 * the default. Returns the exit code. */
typedef int cli_serve_fn(const char *config_path, const char *listen, const char *data_path);

/* Run the command that argv names, on standard output and error. Returns the exit code. */
int cli_run(int argc, char *const *argv, cli_serve_fn *serve);

#endif
