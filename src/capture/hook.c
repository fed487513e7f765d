/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/hook.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/log.h"

HM_LOG_TYPE(hook)

struct hm_hook {
	char *program;
	uint64_t limit_ns;
	char *queue[HM_HOOK_QUEUE];
	unsigned first, n;
	pid_t pid; // 0: none runs
	uint64_t started_ns;
	bool killed;
	_Atomic uint64_t run, failed, killed_all, skipped;
};

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

struct hm_hook *hm_hook_create(const char *program, uint64_t limit_ns)
{
	struct hm_hook *h = calloc(1, sizeof(*h));

	if (h)
		h->program = strdup(program);
	if (h && h->program) {
		h->limit_ns = limit_ns;
		return h;
	}
	free(h);
	return NULL;
}

static void kill_it(struct hm_hook *h)
{
	kill(-h->pid, SIGKILL); // it leads a group of its own
	h->killed = true;
}

void hm_hook_destroy(struct hm_hook *h)
{
	if (!h)
		return;
	if (h->pid) {
		kill_it(h);
		waitpid(h->pid, NULL, 0);
	}
	for (unsigned i = 0; i < h->n; i++)
		free(h->queue[(h->first + i) % HM_HOOK_QUEUE]);
	free(h->program);
	free(h);
}

void hm_hook_add(struct hm_hook *h, const char *path)
{
	char *const copy = h->n < HM_HOOK_QUEUE ? strdup(path) : NULL;

	if (copy)
		h->queue[(h->first + h->n++) % HM_HOOK_QUEUE] = copy;
	else
		count(&h->skipped);
}

/* 0 or an errno. */
static int spawn(struct hm_hook *h, char *path)
{
	static char path_only[] =
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const argv[] = {h->program, path, NULL}, *const env[] = {path_only, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int code;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, 0, 1);
	posix_spawn_file_actions_adddup2(&files, 0, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	code = posix_spawn(&h->pid, h->program, &files, &attr, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return code;
}

static void start_next(struct hm_hook *h, uint64_t now_ns)
{
	char *const path = h->queue[h->first];
	const int code = spawn(h, path);

	h->first = (h->first + 1) % HM_HOOK_QUEUE;
	h->n--;
	h->started_ns = now_ns;
	h->killed = false;
	if (code) {
		h->pid = 0;
		count(&h->failed);
		HM_LOG(ERR, "script cannot be started script=%s file=%s: %s", h->program, path,
		       strerror(code));
	}
	free(path);
}

/* Whether the one that ran has ended. Its group is killed before it is waited for: until then nobody else's group has
 * that number. */
static bool reap(struct hm_hook *h)
{
	siginfo_t info = {0};
	int status;

	if (waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
		return false;
	kill(-h->pid, SIGKILL); // children that it has left behind
	waitpid(h->pid, &status, 0);
	if (h->killed)
		count(&h->killed_all);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		count(&h->run);
	else
		count(&h->failed);
	h->pid = 0;
	return true;
}

bool hm_hook_poll(struct hm_hook *h, uint64_t now_ns)
{
	if (h->pid && !reap(h) && !h->killed && now_ns - h->started_ns > h->limit_ns) {
		HM_LOG(WARNING, "script takes too long and is killed script=%s", h->program);
		kill_it(h);
	}
	if (!h->pid && h->n > 0)
		start_next(h, now_ns);
	return h->pid || h->n > 0;
}

void hm_hook_counts(const struct hm_hook *h, struct hm_hook_counts *c)
{
	*c = (struct hm_hook_counts){
		.run = atomic_load_explicit(&h->run, memory_order_relaxed),
		.failed = atomic_load_explicit(&h->failed, memory_order_relaxed),
		.killed = atomic_load_explicit(&h->killed_all, memory_order_relaxed),
		.skipped = atomic_load_explicit(&h->skipped, memory_order_relaxed),
	};
}
