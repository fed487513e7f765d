/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/compiler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_DONE, // db and err are final
};

struct hm_compile_job {
	STAILQ_ENTRY(hm_compile_job) next;
	struct hm_pattern_set *set;
	struct hm_search_db *db;
	struct hm_error err;
	_Atomic int state; // enum job_state, written by the thread
};

struct hm_compiler {
	pthread_t thread;
	pthread_mutex_t lock; // of jobs, stop and busy
	pthread_cond_t work;
	STAILQ_HEAD(, hm_compile_job) jobs;
	bool stop, busy;
};

static void *compile_jobs(void *arg)
{
	struct hm_compiler *c = arg;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		struct hm_compile_job *job = STAILQ_FIRST(&c->jobs);

		if (!job) {
			pthread_cond_wait(&c->work, &c->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&c->jobs, next);
		c->busy = true;
		atomic_store_explicit(&job->state, JOB_RUNNING, memory_order_relaxed);
		pthread_mutex_unlock(&c->lock);
		job->db = hm_search_compile(job->set, &job->err);
		atomic_store_explicit(&job->state, JOB_DONE,
				      memory_order_release); // hm_compile_done
		pthread_mutex_lock(&c->lock);
		c->busy = false;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct hm_compiler *hm_compiler_create(void)
{
	struct hm_compiler *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	STAILQ_INIT(&c->jobs);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	// the affinity is inherited from the control core, never a worker's
	if (pthread_create(&c->thread, NULL, compile_jobs, c) != 0) {
		free(c);
		return NULL;
	}
	pthread_setname_np(c->thread, "homard-compile");
	return c;
}

bool hm_compiler_destroy(struct hm_compiler *c)
{
	bool busy;

	if (!c)
		return true;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	busy = c->busy;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	if (busy) {
		pthread_detach(c->thread);
		return false;
	}
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->work);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return true;
}

struct hm_compile_job *hm_compiler_submit(struct hm_compiler *c, struct hm_pattern_set *set)
{
	struct hm_compile_job *job = calloc(1, sizeof(*job));

	if (!job) {
		hm_pattern_set_destroy(set);
		return NULL;
	}
	job->set = set;
	pthread_mutex_lock(&c->lock);
	STAILQ_INSERT_TAIL(&c->jobs, job, next);
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	return job;
}

bool hm_compile_done(const struct hm_compile_job *job)
{
	return atomic_load_explicit(&job->state, memory_order_acquire) == JOB_DONE; // compile_jobs
}

struct hm_search_db *hm_compile_take(struct hm_compile_job *job, struct hm_error *err)
{
	struct hm_search_db *db;

	if (atomic_load_explicit(&job->state, memory_order_acquire) == JOB_RUNNING)
		return NULL; // the compiler was left to itself: so is its job
	db = job->db;
	if (!db && err)
		*err = job->err;
	hm_pattern_set_destroy(job->set);
	free(job);
	return db;
}
