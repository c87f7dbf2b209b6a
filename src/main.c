/* main.c -- the program: `cqed serve` is the daemon, everything else is a command. */
#include "cli/cli.h"
#include "daemon/daemon.h"

static int serve(const char *config_path, const char *listen, const char *data_path)
{
    return daemon_run(&(struct daemon_options){config_path, listen, data_path});
}

int main(int argc, char **argv)
{
    return cli_run(argc, argv, serve);
}
