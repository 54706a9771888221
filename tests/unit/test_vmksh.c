// uses: api lib -ljansson -lutil
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmksh as people and scripts use it, on a private host with a real vmkernel. */
#include "pty.h"

#include <sys/stat.h>

#include "api/client.h"

static pid_t kernel;
static struct pty p;
static char *const vmksh[] = {(char *)"vmksh", NULL};

static void kernel_start(void)
{
	struct error err;
	struct vmk_client *client;
	const char *path = program_path("vmkernel");
	kernel = fork();
	cr_assert_geq(kernel, 0);
	if (kernel == 0) {
		cr_assert(freopen("/dev/null", "w", stderr) && freopen("/dev/null", "w", stdout));
		execl(path, "vmkernel", NULL);
		_exit(127);
	}
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	while (vmk_connect(&client, &err)) {
		cr_assert_lt(now_monotonic(), deadline, "%s", err.text);
		usleep(20000);
	}
	vmk_disconnect(client);
}

static void set_up(void)
{
	root_make();
	kernel_start();
}

static void tear_down(void)
{
	kill(kernel, SIGTERM);
	waitpid(kernel, NULL, 0);
	root_remove();
}

TestSuite(vmksh, .init = set_up, .fini = tear_down, .timeout = 120);

Test(vmksh, commands_and_exit_statuses)
{
	run_expect(0, "web is created", "$BIN/vmksh -c 'vm create web memory 16'");
	run_expect(0, "16 MB", "$BIN/vmksh vm list");
	run_expect(0, "\"name\": \"web\"", "$BIN/vmksh --json -c 'vm list'");
	run_expect(0, "\"name\": \"web\"", "$BIN/vmksh -c 'vm show web --json'");
	run_expect(1, "vmksh: ", "$BIN/vmksh -c 'vm show nosuch'");
	run_expect(2, "vm is missing", "$BIN/vmksh -c 'vm show'");
	run_expect(2, "did you mean vm list?", "$BIN/vmksh -c 'vm lits'");
	run_expect(2, "needs another word", "$BIN/vmksh vm");
	run_expect(2, "usage: vmksh", "$BIN/vmksh --nonsense");
	run_expect(0, "vm stop <vm> [mode soft|trysoft|hard]", "$BIN/vmksh help vm stop");
	run_expect(5, "", "$BIN/vmksh -c 'exit 5' -c 'vm list'");
	run_expect(1, "not running", "VMK_ROOT=/nonexistent $BIN/vmksh host show");
	run_expect(0, "16", "$BIN/vmksh -c 'vm get web memsize'");
}

Test(vmksh, quoting)
{
	run_expect(0, "a  b;c is created", "$BIN/vmksh -c \"vm create 'a  b;c' memory 4\"");
	run_expect(0, "a  b;c", "$BIN/vmksh -c 'vm show a\\ \\ b\\;c  # and a comment'");
	run_expect(0, "a  b;c", "$BIN/vmksh vm show 'a  b;c'");
	run_expect(0, "he said \"hi\"", "$BIN/vmksh -c 'vm set \"a  b;c\" annotation \"he said \\\"hi\\\"\"; vm get \"a  b;c\" annotation'");
	run_expect(2, "quote \" is not closed", "$BIN/vmksh -c 'vm show \"a'");
}

Test(vmksh, scripts)
{
	run_expect(0, "one is created", "printf '# make one\\n\\nvm create one memory 4 # small\\nvm list; whoami\\n' | $BIN/vmksh");
	run_expect(2, "line 3: unknown command bogus", "printf 'whoami\\n\\nbogus\\nvm delete one\\n' | $BIN/vmksh");
	run_expect(1, "line 2: ", "printf 'whoami\\nvm show nosuch\\nvm delete one\\n' | $BIN/vmksh");
	run_expect(2, "line 1: the quote", "printf \"vm show 'x\" | $BIN/vmksh");
	run_expect(2, "line 2: this is not text", "printf 'whoami\\nvm\\0list\\n' | $BIN/vmksh");
	run_expect(0, "one", "$BIN/vmksh vm list; echo 'vm show one' > $HOME/script; $BIN/vmksh -f $HOME/script");
	/* A password is not taken from the script. */
	run_expect(1, "on standard input", "printf 'user add joe\\nvm list\\n' | setsid $BIN/vmksh");
}

Test(vmksh, log_in)
{
	run_expect(0, "susie", "echo secret | $BIN/vmksh -c 'user add susie'");
	run_expect(1, "wrong user name or password", "echo wrong | $BIN/vmksh -u susie -c whoami");
	if (geteuid() == 0)
		run_expect(0, "User:          susie", "echo secret | $BIN/vmksh -u susie -c whoami");
	/* On a terminal: asked twice, and nothing shows. */
	char *const add[] = {(char *)"vmksh", (char *)"-c", (char *)"user add joe", NULL};
	pty_start(&p, add, 80, 24);
	pty_wait(&p, "Password: ");
	pty_type(&p, "first\n");
	pty_wait(&p, "The same again: ");
	pty_type(&p, "second\n");
	pty_wait(&p, "not the same");
	cr_assert_eq(pty_end(&p), 1);
	pty_start(&p, add, 80, 24);
	pty_wait(&p, "Password: ");
	pty_type(&p, "first\n");
	pty_wait(&p, "The same again: ");
	pty_type(&p, "first\n");
	cr_assert_eq(pty_end(&p), 0);
	cr_assert(!strstr(p.out, "first"), "%s", p.out);
}

Test(vmksh, a_password_prompt_gives_the_echo_back)
{
	struct termios t;
	char *const add[] = {(char *)"vmksh", (char *)"-c", (char *)"user add joe", NULL};
	pty_start(&p, add, 80, 24);
	pty_wait(&p, "Password: ");
	cr_assert_eq(tcgetattr(p.fd, &t), 0);
	cr_assert(!(t.c_lflag & ECHO));
	pty_type(&p, "\x03");
	cr_assert_eq(pty_end(&p), 1);
	run_expect(0, "Name", "$BIN/vmksh user list");
	run_expect(1, "", "$BIN/vmksh user list | grep joe");
}

Test(vmksh, completion)
{
	run_expect(0, "", "$BIN/vmksh -c \"vm create 'odd name' memory 4; vm create web memory 4\"");
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "vm sh\t");
	pty_wait(&p, "vm show ");
	pty_type(&p, "o\t\n");
	pty_wait(&p, "odd\\ name");
	pty_wait(&p, "Name:");
	pty_wait(&p, "odd name");
	pty_wait(&p, "# ");
	pty_type(&p, "vm show \"od\t\n");
	pty_wait(&p, "Name:");
	pty_wait(&p, "# ");
	pty_type(&p, "vm stop web mo\tha\t\n");
	pty_wait(&p, "mode hard");
	pty_wait(&p, "powered off already");
	pty_wait(&p, "# ");
	pty_type(&p, "vm set web ide1:0.dev\t\t\t");
	pty_wait(&p, "atapi-cdrom");
	pty_type(&p, "\x03");
	pty_wait(&p, "# ");
	pty_type(&p, "host show; vm g\t");
	pty_wait(&p, "vm get ");
	pty_type(&p, "\x03");
	pty_wait(&p, "# ");
	pty_type(&p, "vm register /etc/host\t\x03");
	pty_wait(&p, "# ");
	pty_type(&p, "\x04");
	cr_assert_eq(pty_end(&p), 1, "the last command failed");
}

Test(vmksh, keys_and_history)
{
	struct stat st;
	char *history = root_path(".vmksh_history"), *text;
	size_t len;
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "whoami\n");
	pty_wait(&p, "Restricted");
	pty_wait(&p, "# ");
	pty_type(&p, "user passwd nobody\n");
	pty_wait(&p, "Password: ");
	pty_type(&p, "\x03");
	pty_wait(&p, "# ");
	pty_type(&p, "rm -rf everyth");
	pty_wait(&p, "everyth");
	pty_type(&p, "\x03");
	pty_wait(&p, "^C");
	pty_wait(&p, "# ");
	pty_type(&p, "\x1b[A\n"); /* the line before, which is whoami: passwd is not kept, nor what was dropped */
	pty_wait(&p, "Restricted");
	pty_wait(&p, "# ");
	pty_type(&p, "bogus\n");
	pty_wait(&p, "unknown command");
	pty_wait(&p, "# ");
	pty_type(&p, "\x04");
	cr_assert_eq(pty_end(&p), 2, "the status of the last command");
	cr_assert_eq(stat(history, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(read_file(history, 1 << 20, &text, &len, NULL), 0);
	cr_assert_str_eq(text, "whoami\nbogus\n");
	free(text);
	free(history);
}

Test(vmksh, a_restarted_host_is_found_again)
{
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	kill(kernel, SIGTERM);
	waitpid(kernel, NULL, 0);
	pty_type(&p, "whoami\n");
	pty_wait(&p, "not running");
	pty_wait(&p, "# ");
	kernel_start();
	pty_type(&p, "whoami\n");
	pty_wait(&p, "Administrator");
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
}

Test(vmksh, json_of_every_listing_is_json)
{
	static const char *const commands[] = {"vm list", "user list", "host show", "world list", "log", "whoami", "help", "help vm"};
	for (size_t k = 0; k < ARRAY_SIZE(commands); k++) {
		char *out;
		json_error_t why;
		cr_assert_eq(run(&out, "$BIN/vmksh %s --json", commands[k]), 0);
		json_t *o = json_loads(out, 0, &why);
		cr_assert(o, "%s: %s: %s", commands[k], why.text, out);
		json_decref(o);
		free(out);
	}
}
