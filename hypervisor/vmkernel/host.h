/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - the daemon's own objects: the host, its machines, who calls and what was asked.
 *
 * One thread runs everything from one sd-event loop, so nothing here is locked. What may take long (opening files with an
 * owner's rights, hashing passwords, talking to a machine's process) happens in a child (job.h) or asynchronously (control.h).
 */
#ifndef VMK_VMKERNEL_HOST_H
#define VMK_VMKERNEL_HOST_H

#include <systemd/sd-event.h>

#include "api/rpc.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/machine_words.h"
#include "vmkernel/perf.h"

#define WORLD_VMKERNEL 1 /* helper worlds are below WORLD_FIRST_MACHINE */
#define WORLD_FIRST_MACHINE 100
#define VM_NAME_MAX MACHINE_NAME_MAX
#define CALLER_MAX_GROUPS 64
#define SAMPLE_SECONDS 2

/* Rights on a machine, from its .vmx file's mode. */
enum { RIGHT_X = 1, RIGHT_W = 2, RIGHT_R = 4 };

struct caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t groups[CALLER_MAX_GROUPS];
	unsigned n_groups;
	bool restricted; /* session.restrict: looks at what it may see (the administrator: everything), touches nothing */
};

enum vm_state { VM_OFF, VM_STARTING, VM_ON, VM_SUSPENDED, VM_STUCK };

/* How much CPU time a process has used, as a percentage of one CPU over the last sample. */
struct cpu_use {
	u64 used_ns, at_ns;
	double percent;
};

/* What a machine asks of people (question.h); id 0: nothing. */
#define QUESTION_CHOICES 4
struct vm_question {
	u64 id;
	char text[300];
	unsigned n_choices;
	struct vm_question_choice {
		char name[16], label[64];
	} choice[QUESTION_CHOICES];
};

struct vm {
	struct vm *next; /* in the order of vm-list */
	char *path;	 /* of its .vmx file, absolute */
	char name[VM_NAME_MAX + 1];
	bool readable;	 /* st and config are those of the file; else nobody but the administrator sees the machine, and ... */
	bool away;	 /* ... where it is not readable as its volume is not mounted or silent, its owner: */
	bool owner_known; /* file.uid is the owner's, as last seen */
	struct vm_file {
		dev_t device;
		ino_t inode;
		u64 changed_ns, modified_ns;
		uid_t uid;
		gid_t gid;
		mode_t mode;
	} file;
	struct config *config; /* NULL: not a configuration file */
	char problem[480];     /* why config cannot be used: typed reads of it only when empty */
	char owner[40];
	const char *busy; /* what is being done with it ("is being powered on"); NULL = nothing */

	enum vm_state state;
	unsigned world; /* 0 = off */
	pid_t pid;
	u64 pid_start; /* of /proc/PID/stat: together with pid unique */
	int pidfd;
	uid_t run_uid;
	unsigned vnc_port;	  /* of its console, 0 = none (consoles.h) */
	int console_fd;		  /* listens there, -1 = none */
	char console_address[48]; /* there */
	sd_event_source *exit_source;
	struct control *control;
	bool poweroff_told; /* it has said that it ends */
	bool killed;	    /* by us */
	struct request *starter;
	bool resuming; /* it is being powered on from its file, and has not answered yet */
	bool resume_kept; /* and stays in it: its process is ended */
	struct keeper *keeper; /* by suspend.c's, who has the file's lock */
	enum { SUSPEND_NOT, SUSPEND_WRITING, SUSPEND_WRITTEN } suspend;
	unsigned suspended_percent; /* while it is written */
	u64 suspended_bytes;	    /* of it, that are dealt with: grows as long as it gets on */
	pid_t dropper;		    /* the child that deletes its file, or what is left of it; 0: none */
	int suspend_report;	    /* to the child that sees to it, meanwhile */
	struct request *suspender;
	struct stopper *stoppers;
	u64 started_ns;	 /* CLOCK_MONOTONIC */
	u64 asked_ns;	 /* the oldest unanswered status request; 0 = none */
	/* from its last status */
	char engine[16];
	unsigned viewers;
	int balloon_asked_mb, balloon_mb; /* balloon_asked_mb < 0: it has none */
	json_t *devices;		  /* what is connected (removable.h); NULL: not known */
	unsigned tools_version;		  /* of the guest's tools, major << 10 | minor << 5 | rest; 0: not told */
	int heartbeat_s;		  /* since they were last heard, < 0: not since the reset */
	/* sampled */
	struct cpu_use cpu;
	u64 resident_kb;
	struct perf perf;
	struct vm_question question;
	/* Its process is as trusted as its owner: it may not fill the log, nor take the daemon's time. */
	struct log_limit told_limit, question_limit;
	struct {
		u64 second; /* in which `count` events had its status asked for */
		unsigned count;
	} eager;
	struct {
		unsigned step; /* 0: does not start with the host */
		bool due;      /* not yet powered on */
		bool awaited;  /* powered on, and the next step waits for it */
		bool starting; /* what comes of it is not known yet */
		bool found;    /* and this daemon has not begun it */
		bool complained; /* of what keeps it due */
		char volume[256]; /* its turn has come, and waits for this one to be mounted; "": for none */
	} autostart;	       /* autostart.c's */
};

#define HELPERS 2 /* the daemon and vmk-authd: worlds from WORLD_VMKERNEL on */

struct host {
	sd_event *event;
	int lock_fd, root_fd, vmx_fd, authd_fd, log_fd;
	int kvm_fd; /* /dev/kvm, -1 where there is none or it may not be opened */
	struct vm *vms;
	struct conn *conns;
	struct job *jobs;
	struct request *pending; /* newest first: all that are being worked on */
	unsigned n_conns, n_jobs;
	struct cpu_use cpu;
	unsigned cpus;
	u64 started_ns;
	unsigned vnc_first, vnc_last; /* console ports */
	char console_address[48];     /* where they listen */
	bool autostart;
	unsigned autostop_limit; /* seconds */
	unsigned network_trial;	 /* seconds; 0 = none */
	char *shutdown_command, *reboot_command, *keyboard_command; /* of vmkernel.conf, "" = none; conf.def */
	char engine[16];
	json_t *passed_over; /* array of sentences */
	struct perf perf;
	bool perf_waits; /* PERF_WAIT is known */
	struct {
		const char *name; /* NULL: does not run */
		struct perf perf;
	} helper[HELPERS];
	bool stopping; /* its machines are being stopped (power.h): none is powered on */
};
extern struct host host;

/* One call on its way. */
struct request {
	struct request *next; /* in host.pending */
	struct conn *conn; /* NULL: the caller has gone */
	struct caller caller;
	struct rpc_request rpc;
	const struct api_method *method;
	struct vm *vm; /* resolved and permitted "vm" argument */
	int fd;	       /* to be passed with the answer, or -1 */
	bool progress; /* the caller wants to be told how far it is */
	struct task *task; /* task.h; NULL = it is none */
	/* Optional: the caller has hung up. The request may be finished here; else it goes on. */
	void (*gone)(struct request *r);
	bool dry_run;  /* dry_run.h */
	bool aside;    /* a task.cancel on the connection of its task: it has to be answered at once */
};

/* A handler answers at once (0 and *result, NULL = {}; or -errno and err) or returns PENDING and calls request_finish() later. */
#define PENDING 1
typedef int handler_fn(struct request *r, json_t **result, struct error *err);
void request_finish(struct request *r, int ret, json_t *result, const struct error *err);
static inline const char *param_string(const struct request *r, const char *name)
{
	return json_string_value(json_object_get(r->rpc.params, name));
}
json_t *message_result(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* server.c */
void server_tell_progress(struct request *r); /* to its caller, when he wants to know and reads */
int server_start(struct error *err);
/* Nobody new comes in. Before anybody is told that the daemon has ended: he may start another, which must not find this one's door. */
void server_close_door(void);
void server_stop(void); /* answers what is pending with a sentence, closes all */

/* rights.c */
bool caller_is_admin(const struct caller *c);
bool caller_sees_all(const struct caller *c); /* the administrator, restricted or not */
unsigned rights_of_mode(const struct caller *c, uid_t uid, gid_t gid, mode_t mode);
/* The one place where rights are evaluated: looks at the .vmx file now. */
unsigned vm_rights(const struct caller *c, struct vm *vm);
/* -ENOENT when the caller may not even see it, -EPERM when not `role`. */
int vm_permit(const struct caller *c, struct vm *vm, enum api_role role, struct error *err);

/* registry.c: which machines there are */
int registry_load(struct error *err); /* vm-list -> host.vms; what is there already stays */
struct vm *registry_find(const char *name_or_path);
struct vm *registry_find_name(const char *name, const struct vm *but);
/* Adds to vm-list and memory. */
int registry_add(const char *path, struct vm **out, struct error *err);
struct vm *registry_adopt(const char *path); /* only in memory */
int registry_remove(struct vm *vm, struct error *err);
/* Its .vmx file is at `path` from now on: in vm-list, where it stood there, and in memory. All or nothing. */
int registry_move(struct vm *vm, const char *path, struct error *err);
/* Looks at the file again; true when it can be used. */
bool vm_refresh(struct vm *vm);
bool vm_name_valid(const char *name);
/* The name the machine would have by this configuration. */
void vm_config_name(const struct config *config, const char *path, char name[VM_NAME_MAX + 1]);
char *vm_folder(const char *path); /* caller frees */

/* supervise.c: a machine's process */
int vm_start(struct vm *vm, struct request *r, struct error *err); /* PENDING or -errno, 0 for a dry run; r may be NULL */
int vm_stop(struct vm *vm, const char *mode, struct request *r, struct error *err);
/* The same with another time limit than the mode's own, in seconds. */
int vm_stop_within(struct vm *vm, const char *mode, unsigned limit, struct request *r, struct error *err);
void vm_kill(struct vm *vm);
int vm_priority(const struct vm *vm, struct error *err); /* its process gets what sched.cpu.shares says */
void supervise_adopt(void); /* machines that run already */
void vm_poll(struct vm *vm); /* asks for its status */
void vm_answer_stoppers(struct vm *vm); /* who waits for the end of its process, which has come */
bool vm_running(const struct vm *vm);
const char *vm_state_name(const struct vm *vm);

/* stats.c */
void stats_sample(void);
bool process_times(pid_t pid, u64 *cpu_ns, u64 *start_ticks);
json_t *cpu_percent(const struct cpu_use *use);
void stats_host(json_t *into);
/* A line of /proc/meminfo in KB, 0 = not told. */
u64 stats_meminfo(const char *name);
void stats_memory(u64 *total_kb, u64 *used_kb, u64 *swapped_kb); /* of the whole computer */
void uptime_text(u64 seconds, char *text, size_t size); /* "1 d 02:03:04" */

/*
 * events.c: the log as seen by log.show and event.list. Who asked for what happens is known: the caller whose handler runs, or
 * who waits for a change of the machine, or whom event_acting() names.
 */
enum event_subject { EVENT_PUBLIC, EVENT_ADMIN };
int events_open(struct error *err);
void event_vm(enum log_level level, const struct vm *vm, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Of the machine's own accord: nobody has asked for it. */
void event_vm_itself(enum log_level level, const struct vm *vm, const char *fmt, ...) PRINTF_LIKE(3, 4);
void event_host(enum log_level level, enum event_subject subject, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* What is logged from here on is on behalf of this request; NULL ends it. */
void event_acting(const struct request *r);
u64 events_newest(void);
/* Rows of event.list newer than `since`, at most the newest `lines`, oldest first; of one machine, or everything when vm_path is NULL. */
json_t *events_list(const struct caller *c, const char *vm_path, u64 lines, u64 since);
/* What was logged of the machine whose .vmx file was at `from` is that of the one at `to`. */
void events_moved(const char *from, const char *to);
/* Called when something was logged, once for many, from the loop. */
void events_watch(void (*news)(void));
/* The newest event of a machine, or NULL; valid until the next is logged. */
const char *events_last_of(const struct vm *vm);
json_t *events_show(const struct caller *c, u64 lines, u64 since);


#endif
