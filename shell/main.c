// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - vmksh, vmk and vmk-cmd, one program by its name: options, and where the commands come from */
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/bashcomplete.h"
#include "shell/loginshell.h"
#include "shell/shell.h"
#include "shell/vmkcmd.h"

static const char usage[] =
	"usage: vmksh [options] [command word...]\n"
	"  -c COMMANDS    run them and leave; may be given several times\n"
	"  -f FILE        run the commands of a file\n"
	"  -u USER        log in as this user of the host\n"
	"  --no-login     act as who you are (the default)\n"
	"  --json, --csv  print JSON, or comma-separated values\n"
	"  --color WHEN   auto, always or never\n"
	"  --restricted   start no other program, such as a pager (a log-in shell never does)\n"
	"  --root DIR     the host under DIR (also: VMK_ROOT)\n"
	"  --help, --version\n"
	"Without a command: an interactive shell on a terminal, else a script from standard input.\n"
	"A script ends at the first command that fails, or behind 'set +e' goes on. Exit status: 0 done, 1 a command failed, 2 a mistake in the command.\n"
	"help lists the commands.\n";

static int script_run(struct shell *sh, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int status = SHELL_OK;
	while (shell_goes_on(sh, status) && (len = getline(&line, &size, f)) >= 0) {
		sh->line++;
		if (strlen(line) != (size_t)len)
			status = sh->last_status = shell_error(sh, SHELL_USAGE, "this is not text");
		else
			status = shell_run(sh, line);
	}
	free(line);
	status = shell_ends(sh, status);
	sh->line = 0;
	return status;
}

static int file_run(struct shell *sh, const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return shell_error(sh, SHELL_USAGE, "cannot open %s: %m", path);
	int status = script_run(sh, f);
	fclose(f);
	return status;
}

/* The words after the options, quoted again so that they stay the words they are. */
static int words_run(struct shell *sh, int n, char *const words[])
{
	char *line = words_join(n, words);
	int status = shell_run(sh, line);
	free(line);
	return status;
}

static bool color_wanted(const char *when)
{
	const char *term = getenv("TERM");
	if (!strcmp(when, "always"))
		return true;
	return !strcmp(when, "auto") && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") && !getenv("NO_COLOR");
}

static int interact(struct shell *sh)
{
	struct error err;
	sh->interactive = true;
	/* -u that fails ends here; a host that is not running may be started later. */
	if (shell_connect(sh, &err)) {
		shell_error(sh, 0, "%s", err.text);
		if (sh->as_user)
			return SHELL_FAILED;
	}
	return shell_interact(sh);
}

struct options {
	const char *commands[64];
	unsigned n_commands;
	const char *file, *color, *complete;
};

static const struct option long_options[] = {
	{"json", no_argument, NULL, 'j'},
	{"csv", no_argument, NULL, 'S'},
	{"restricted", no_argument, NULL, 'R'},
	{"color", required_argument, NULL, 'C'},
	{"root", required_argument, NULL, 'r'},
	{"user", required_argument, NULL, 'u'},
	{"no-login", no_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{"complete", required_argument, NULL, 'B'}, /* for etc/bash_completion.d/vmk */
	{NULL, 0, NULL, 0},
};

/* Whether to go on; otherwise *status is the program's. */
static bool options_read(struct shell *sh, struct options *o, int argc, char **argv, int *status)
{
	int option;
	while ((option = getopt_long(argc, argv, "+c:f:u:h", long_options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			if (o->n_commands == ARRAY_SIZE(o->commands))
				fatal("too many -c");
			o->commands[o->n_commands++] = optarg;
			break;
		case 'f':
			o->file = optarg;
			break;
		case 'u':
			sh->as_user = optarg;
			break;
		case 'n':
			sh->as_user = NULL;
			break;
		case 'j':
		case 'S':
			sh->json_always = option == 'j';
			sh->csv_always = option == 'S';
			break;
		case 'R':
			sh->restricted = true;
			break;
		case 'C':
			o->color = optarg;
			break;
		case 'r':
			set_root(optarg);
			break;
		case 'B':
			o->complete = optarg;
			break;
		case 'v':
			puts("vmksh " VMK_VERSION);
			*status = SHELL_OK;
			return false;
		default:
			fputs(usage, option == 'h' ? stdout : stderr);
			*status = option == 'h' ? SHELL_OK : SHELL_USAGE;
			return false;
		}
	}
	return true;
}

/* The program's name without its folder, and without the '-' by which login(1) and sshd(8) start a log-in shell. */
static const char *own_name(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0 ? argv0 : "";
	return *name == '-' ? name + 1 : name;
}

/* As the options say; returns the program's exit status. */
static int commands_run(struct shell *sh, const struct options *o, int n, char *const words[])
{
	struct error err;
	int status = SHELL_OK;
	bool commands = o->n_commands || n;
	sh->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	sh->color = color_wanted(o->color);
	sh->script_on_stdin = !commands && !o->file && !isatty(STDIN_FILENO);
	/* Before any command: the password comes before whatever a command may ask for. */
	if (sh->as_user && shell_connect(sh, &err))
		return shell_error(sh, SHELL_FAILED, "%s", err.text);
	for (unsigned k = 0; k < o->n_commands && shell_goes_on(sh, status); k++)
		status = shell_run(sh, o->commands[k]);
	if (n && shell_goes_on(sh, status))
		status = words_run(sh, n, words);
	if (o->file && shell_goes_on(sh, status))
		status = file_run(sh, o->file);
	if (!commands && !o->file)
		status = sh->script_on_stdin ? script_run(sh, stdin) : interact(sh);
	status = shell_ends(sh, status);
	return sh->leave && status == SHELL_OK ? sh->exit_status : status;
}

int main(int argc, char **argv)
{
	/* As login(1) and sshd name a log-in shell; sshd's -c is known by the account. */
	struct shell sh = {.restricted = (argc && argv[0][0] == '-') || loginshell_is_ours()};
	struct options o = {.color = "auto"};
	struct error err;
	int status;
	setlocale(LC_ALL, "");
	signal(SIGPIPE, SIG_DFL);
	vmk_wipe_freed_json();
	if (!strcmp(own_name(argv[0]), "vmk-cmd"))
		return stdout_end(vmkcmd_main(argc, argv));
	if (argc == 3 && !strcmp(argv[1], "-c") && loginshell_transfer(&sh, argv[2], &err))
		status = shell_error(&sh, SHELL_FAILED, "%s", err.text);
	else if (!options_read(&sh, &o, argc, argv, &status))
		;
	else if (o.complete)
		status = bashcomplete_shell(&sh, long_options, o.complete);
	else
		status = commands_run(&sh, &o, argc - optind, argv + optind);
	shell_free(&sh);
	/* A person sees what is not written; Ctrl-C, which cuts it, is no failure. */
	return sh.interactive ? status : stdout_end(status);
}
