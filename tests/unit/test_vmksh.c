// uses: api lib -ljansson -lutil
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmksh as people and scripts use it, on a private host with a real vmkernel. */
#include "pty.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is skipped has no tear_down() */
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
	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	kernel_start();
}

static void tear_down(void)
{
	kill(kernel, SIGTERM);
	if (p.pid)
		kill(p.pid, SIGKILL);
	/* vmk-authd too, which makes a folder even while it is told to end. */
	while (wait(NULL) > 0 || errno == EINTR)
		continue;
	root_remove();
}

TestSuite(vmksh, .init = set_up, .fini = tear_down, .timeout = 600);

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

Test(vmksh, quoted_words_are_no_flags)
{
	run_expect(0, "--json\n", "$BIN/vmksh -c 'vm create web memory 4; vm set web annotation \"--json\"; vm get web annotation'");
	run_expect(0, "--dry-run\n", "$BIN/vmksh -c 'set text=--dry-run; vm set web annotation $text; vm get web annotation'");
	run_expect(0, "--csv\n", "$BIN/vmksh -c 'vm set web annotation \\--csv; vm get web annotation'");
	run_expect(0, "--follow\n", "$BIN/vmksh -c 'vm set web annotation -- --follow; vm get web annotation'");
	run_expect(0, "--json\n", "$BIN/vmksh vm set web annotation -- --json; $BIN/vmksh vm get web annotation");
	run_expect(0, "value --json)", "$BIN/vmksh vm set web annotation --dry-run -- --json");
	run_expect(0, "\"value\": \"--json\"", "$BIN/vmksh vm get web annotation --json");
	run_expect(0, "\"value\": \"--json\"", "$BIN/vmksh -c 'alias j=\"vm get --json web\"; j annotation'");
	run_expect(0, "a -- --json\n", "$BIN/vmksh -c 'echo a \"--\" \"--json\"'");
	run_expect(0, "\"value\": \"--json\"", "$BIN/vmksh -c 'watch -c 1 -n 0.1 vm get web annotation --json'");
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
	run_expect(0, "would add a user", "$BIN/vmksh -c 'user add --dry-run paul' </dev/null");
	run_expect(1, "there is a user named susie", "$BIN/vmksh -c 'user add --dry-run susie' </dev/null");
	run_expect(0, "would change a password", "$BIN/vmksh -c 'user passwd susie --dry-run' </dev/null");
	run_expect(1, "no user", "$BIN/vmksh -c 'user passwd paul --dry-run' </dev/null");
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

/* How often `secret` stands in the heap or on the stack of a process. */
static unsigned times_in_memory(pid_t pid, const char *secret)
{
	char path[64], line[512];
	unsigned times = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	int mem = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(maps && mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx rw", &from, &to) != 2 || !(strstr(line, "[heap]") || strstr(line, "[stack]")))
			continue;
		char *bytes = xcalloc(to - from, 1);
		ssize_t n = pread(mem, bytes, to - from, (off_t)from);
		cr_assert_gt(n, 0);
		for (char *at = bytes; (at = memmem(at, (size_t)(bytes + n - at), secret, strlen(secret))); at++)
			times++;
		free(bytes);
	}
	fclose(maps);
	close(mem);
	return times;
}

Test(vmksh, a_password_does_not_stay_in_memory)
{
#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("its heap is not where /proc/PID/maps says");
#endif
	pty_start(&p, vmksh, 80, 24);
	pty_wait(&p, "# ");
	pty_type(&p, "set seen=Vermilion-27182\n");
	pty_wait(&p, "# ");
	pty_type(&p, "user add joe\n");
	for (int k = 0; k < 2; k++) {
		pty_wait(&p, k ? "The same again: " : "Password: ");
		pty_type(&p, "Turquoise-31415\n");
	}
	pty_wait(&p, "# ");
	cr_assert_gt(times_in_memory(p.pid, "Vermilion-27182"), 0, "what is kept is not found");
	cr_assert_eq(times_in_memory(p.pid, "Turquoise-31415"), 0);
	/* Without its beginning, where free() keeps its lists. */
	cr_assert_eq(times_in_memory(p.pid, "ise-31415"), 0);
	pty_type(&p, "\x04");
	cr_assert_eq(pty_end(&p), 0);
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
	pty_type(&p, "host show; vm res\t");
	pty_wait(&p, "vm reset ");
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
	/* A connection that breaks takes nothing with it, and what an editor left open to others is closed. */
	cr_assert_eq(chmod(history, 0644), 0);
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "echo kept\n");
	pty_wait(&p, "\rkept");
	pty_wait(&p, "# ");
	cr_assert_eq(kill(p.pid, SIGHUP), 0);
	cr_assert_eq(pty_end(&p), 128 + SIGHUP);
	cr_assert_eq(read_file(history, 1 << 20, &text, &len, NULL), 0);
	cr_assert_str_eq(text, "whoami\nbogus\necho kept\n");
	cr_assert_eq(stat(history, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	free(text);
	free(history);
}

/* sudo with another's HOME: his lines are not offered, and root leaves none there. */
Test(vmksh, the_history_of_somebody_else)
{
	struct stat st;
	char *home = root_path("home"), *history = root_path("home/.vmksh_history"), *text;
	size_t len;
	if (geteuid() != 0)
		return;
	cr_assert_eq(mkdir(home, 0755), 0);
	setenv("HOME", home, 1);
	for (int theirs = 0; theirs < 2; theirs++) {
		if (theirs)
			cr_assert_eq(replace_file(history, "echo theirs\n", 12, 0644, NULL), 0);
		cr_assert_eq(chown(theirs ? history : home, 4321, 4321), 0);
		cr_assert_eq(chown(home, theirs ? 0 : 4321, 0), 0);
		pty_start(&p, vmksh, 100, 30);
		pty_wait(&p, "# ");
		pty_type(&p, "\x1b[Aecho mine\n");
		pty_wait(&p, "\rmine");
		pty_wait(&p, "# ");
		pty_type(&p, "\x04");
		cr_assert_eq(pty_end(&p), 0);
		cr_assert_eq(stat(history, &st), theirs ? 0 : -1);
	}
	cr_assert_eq(read_file(history, 1 << 20, &text, &len, NULL), 0);
	cr_assert_str_eq(text, "echo theirs\n");
	cr_assert_eq(st.st_uid, 4321);
	free(text);
	free(history);
	free(home);
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

/* What a program on a terminal says, until it ends. */
static const char *said_on_terminal(const char *command)
{
	char *const shell[] = {(char *)"vmksh", (char *)"-c", (char *)command, NULL};
	pty_start(&p, shell, 100, 30);
	cr_assert_eq(pty_end(&p), 0, "%s: %s", command, p.out);
	return p.out;
}

Test(vmksh, nothing_acts_on_the_terminal)
{
	run_expect(0, "", "$BIN/vmksh -c \"vm create web memory 4\" -c \"vm set web annotation '<\xc2\x9b" "2J\xe2\x80\xae\xc3\xbc>'\"");
	cr_assert(strstr(said_on_terminal("vm get web annotation"), "<?2J?\xc3\xbc>"), "%s", p.out);
	cr_assert(strstr(said_on_terminal("vm get web annotation --csv"), "<?2J?\xc3\xbc>"), "%s", p.out);
	cr_assert(strstr(said_on_terminal("vm get web annotation --json"), "<\\u009b2J\\u202e\xc3\xbc>"), "%s", p.out);
	run_expect(0, "<\xc2\x9b" "2J\xe2\x80\xae\xc3\xbc>", "$BIN/vmksh vm get web annotation --json");
	run_expect(1, "named <?2J>", "$BIN/vmksh vm show '<\xc2\x9b" "2J>'");
	run_expect(1, "control character", "$BIN/vmksh vm create 'a\xe2\x80\xae" "b' memory 4");
}

Test(vmksh, what_cannot_be_written_is_told)
{
	static const char *const programs[] = {"vmksh -c 'vm list'", "vmksh --json vm list", "vmksh help", "vmk-cmd -l", "vmk-cmd -h",
					       "vmkstatus --dump status", "vmkstatus --batch --count 1", "vmkstatus --help"};
	run_expect(0, "", "$BIN/vmksh vm create web memory 4");
	for (size_t k = 0; k < ARRAY_SIZE(programs); k++) {
		char *command = xasprintf("$BIN/%s >/dev/full", programs[k]), *out;
		run_expect(1, strstr(programs[k], "help") ? "could not be written" : "could not be written: No space left on device", command);
		free(command);
		cr_assert_eq(run(&out, "$BIN/%s", programs[k]), 0, "%s: %s", programs[k], out);
		free(out);
	}
	/* A reader who left had enough, also where nothing ends us for it. */
	run_expect(0, "0\n", "{ python3 -c 'import signal, subprocess, sys; signal.signal(signal.SIGPIPE, signal.SIG_IGN); "
		   "sys.exit(subprocess.call(sys.argv[1:], restore_signals=False))' $BIN/vmkstatus --batch --delay 1; echo $? >&2; } | head -1 >/dev/null");
}

Test(vmksh, csv)
{
	run_expect(0, "", "$BIN/vmksh -c \"vm create 'a, b' memory 4; vm set 'a, b' annotation 'say \\\"hi\\\"'\"");
	run_expect(0, "key,value\r\nannotation,\"say \"\"hi\"\"\"\r\n", "$BIN/vmksh -c \"vm get 'a, b' annotation --csv\"");
	run_expect(0, "world,name,owner,state,cpu,memory,console,", "$BIN/vmksh --csv vm list | head -1");
	run_expect(0, ",\"a, b\",", "$BIN/vmksh --csv vm list");
	run_expect(0, "user,uid,admin,restricted\r\n", "$BIN/vmksh whoami --csv");
	run_expect(0, "message\r\n", "$BIN/vmksh -c \"vm delete 'a, b' --csv\"");
	/* A list of nothing has its header line; the last of --json and --csv counts. */
	run_expect(0, "vm,id,user,address,since,view_only,waits\r\n", "$BIN/vmksh --json console list --csv");
	run_expect(0, "[]", "$BIN/vmksh --csv console list --json");
	run_expect(0, "2 columns of 2", "$BIN/vmksh vm create web memory 4; $BIN/vmksh vm get web --csv | python3 -c 'import csv, sys\n"
		      "rows = list(csv.reader(sys.stdin))\nprint(len(rows[0]), \"columns of\", min(len(r) for r in rows))'");
}

Test(vmksh, variables_and_where_a_script_ends)
{
	run_expect(0, "16 MB", "$BIN/vmksh -c 'set vm=\"my web\" mb=16' -c 'vm create $vm memory $mb; vm show $vm'");
	run_expect(2, "line 2: the variable $nosuch is not set", "printf 'set a=1\nvm show $nosuch\nvm list\n' | $BIN/vmksh");
	run_expect(1, "line 2: no virtual machine", "said=$(printf 'whoami\nvm show nosuch; echo went-on\necho went-on\n' | $BIN/vmksh 2>&1)\n"
						    "status=$?; echo \"$said\"; case $said in *went-on*) exit 9 ;; esac; exit $status");
	run_expect(0, "1 2\nwent on\n0\n", "printf 'set +e\nvm show nosuch\nset one=$?\nbogus\necho $one $?\necho went on\necho $?\n' | $BIN/vmksh");
	run_expect(1, "", "printf 'set +e\nvm show nosuch\n\n# the end\n' | $BIN/vmksh");
	run_expect(2, "line 4: unknown command", "printf 'set +e\nvm show nosuch\nset -e\nbogus\necho no\n' | $BIN/vmksh");
	run_expect(0, "went on", "$BIN/vmksh -c 'set +e' -c bogus -c 'echo went on'");
	run_expect(2, "", "test -z \"$($BIN/vmksh -c bogus -c 'echo went on' 2>/dev/null)\" && exit 2");
	run_expect(1, "", "$BIN/vmksh -c 'set +e; vm show nosuch; exit'");
	run_expect(0, "$x", "$BIN/vmksh echo '$x'");
}

Test(vmksh, aliases_are_kept)
{
	run_expect(0, "", "$BIN/vmksh -c \"alias mk 'vm create'; alias look='vm show' \" && $BIN/vmksh mk web memory 4");
	run_expect(0, "Name:", "$BIN/vmksh look web");
	run_expect(0, "vm show", "$BIN/vmksh alias look");
	run_expect(0, "\"name\": \"mk\"", "$BIN/vmksh --json alias");
	run_expect(0, "web", "$BIN/vmksh ls");
	run_expect(2, "stays one", "$BIN/vmksh alias vm whoami");
	run_expect(2, "unknown command look", "$BIN/vmksh unalias look && $BIN/vmksh look web");
}

Test(vmksh, a_dry_run_changes_nothing)
{
	run_expect(0, "would", "$BIN/vmksh vm create web memory 4 --dry-run");
	run_expect(1, "no virtual machine named web", "$BIN/vmksh vm show web");
	run_expect(0, "", "$BIN/vmksh vm create web memory 4");
	run_expect(0, "would", "$BIN/vmksh -c 'vm delete web --dry-run; vm set web memsize 8 --dry-run'");
	run_expect(0, "memsize  4", "$BIN/vmksh vm get web memsize");
	run_expect(1, "no virtual machine named other", "$BIN/vmksh vm delete other --dry-run");
	run_expect(2, "--dry-run is for commands that change something", "$BIN/vmksh set a=1 --dry-run");
	run_expect(0, "web", "$BIN/vmksh vm list --dry-run"); /* it changes nothing anyway */
}

/* What follows goes on for ever: it is given some time, and more on a busy host. */
static void follow_expect(const char *text, const char *words, const char *reader)
{
	char *out = NULL;
	bool found = false;
	for (unsigned seconds = 5; seconds < 100 && !found; seconds *= 3) {
		free(out);
		found = run(&out, "timeout %u $BIN/vmksh %s --follow | %s", seconds, words, reader) == 0 && strstr(out, text);
	}
	cr_assert(found, "%s: %s", words, out);
	free(out);
}

Test(vmksh, events_are_followed_across_a_restart)
{
	char *out;
	pty_start(&p, vmksh, 120, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "events lines 1 --follow\n");
	pty_wait(&p, "Event");
	cr_assert_eq(run(&out, "$BIN/vmksh vm create first memory 4"), 0);
	free(out);
	pty_wait(&p, "first is created");
	kill(kernel, SIGTERM);
	waitpid(kernel, NULL, 0);
	pty_wait(&p, "goes on when it is back");
	kernel_start();
	cr_assert_eq(run(&out, "$BIN/vmksh vm create second memory 4"), 0);
	free(out);
	pty_wait(&p, "second is created");
	pty_type(&p, "\x03");
	pty_wait(&p, "# ");
	pty_type(&p, "whoami\n");
	pty_wait(&p, "Administrator");
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
	/* For a program: an object a line, as it comes. */
	follow_expect("is created", "--json log lines 1000", "grep -m1 'second is created' |"
		      "python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())[\"text\"])'");
	follow_expect("3\n", "--csv events lines 2", "head -3 | tr -d '\r' |"
		      "awk -F, 'NR == 1 && !/^time,level,vm,user,text$/ { exit } { n++ } END { print n }'");
	run_expect(2, "--follow is for", "$BIN/vmksh vm list --follow");
}

/* Until web's console is at this port. */
static void console_wait(unsigned port)
{
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	for (int status = 1; status; usleep(20000)) {
		char *out;
		status = run(&out, "$BIN/vmksh vm show web | grep '127[.]0[.]0[.]1:%u$'", port);
		cr_assert(status == 0 || now_monotonic() < deadline, "web has no console at port %u", port);
		free(out);
	}
}

static pid_t authd_of_kernel(void)
{
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	char *out = NULL;
	pid_t pid = 0;
	for (; pid <= 0; usleep(20000)) {
		cr_assert_lt(now_monotonic(), deadline, "no vmk-authd");
		if (run(&out, "pgrep -P %d -x vmk-authd", (int)kernel) == 0)
			pid = atoi(out);
		free(out);
	}
	return pid;
}

/* A vmk-authd that does not get to its end, or still has viewers, keeps no ports from the next daemon. */
Test(vmksh, consoles_keep_their_ports_across_a_restart)
{
	char *out;
	unsigned port = 18000 + (unsigned)getpid() % 1900; /* no other host's, nor one that the kernel gives away */
	run_expect(0, "web is created", "$BIN/vmksh vm create web memory 4");
	cr_assert_eq(run(&out, "$BIN/vmksh vm set web RemoteDisplay.vnc.port %u", port), 0, "%s", out);
	free(out);
	console_wait(port);
	pid_t authd = authd_of_kernel();
	cr_assert_eq(kill(authd, SIGSTOP), 0);
	kill(kernel, SIGTERM);
	cr_assert_eq(waitpid(kernel, NULL, 0), kernel);
	cr_assert_eq(kill(authd, 0), 0);
	kernel_start();
	console_wait(port);
	cr_assert_eq(kill(authd, SIGCONT), 0);
}

Test(vmksh, search_in_the_history)
{
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "whoami\n");
	pty_wait(&p, "Restricted");
	pty_wait(&p, "# ");
	pty_type(&p, "vm list\n");
	pty_wait(&p, "Console");
	pty_wait(&p, "# ");
	pty_type(&p, "\x12who");
	pty_wait(&p, "mi"); /* what was typed of it stands out */
	pty_type(&p, "\r");
	pty_wait(&p, "Restricted");
	pty_wait(&p, "# ");
	/* Ctrl-C leaves the search, and runs nothing of what it had found. */
	pty_type(&p, "\x12list");
	pty_wait(&p, "vm ");
	pty_type(&p, "\x03");
	pty_wait(&p, "# ");
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
	cr_assert(!strstr(p.out, "Owner"), "%s", p.out);
}
