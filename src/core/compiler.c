/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/compiler.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#define THREADS  3
#define SLOW_MAX (THREADS - 1) // slow jobs at a time

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_DONE, // part and err are final
};

struct hm_compile_job {
	STAILQ_ENTRY(hm_compile_job) next;
	bool quick;
	struct hm_pattern_set *set;
	struct hm_search_part *part;
	struct hm_error err;
	_Atomic int state; // enum job_state, written by a thread
};

struct hm_compiler {
	struct hm_search_cache *cache;
	pthread_t threads[THREADS];
	unsigned n_threads;
	pthread_mutex_t lock; // of what follows
	pthread_cond_t work;
	STAILQ_HEAD(job_list, hm_compile_job) jobs;
	unsigned busy, busy_slow;
	bool stop;
};

/* The first job that may begin now, out of the queue. */
static struct hm_compile_job *next_job(struct hm_compiler *c)
{
	struct hm_compile_job *job;

	STAILQ_FOREACH (job, &c->jobs, next) {
		if (job->quick || c->busy_slow < SLOW_MAX) {
			STAILQ_REMOVE(&c->jobs, job, hm_compile_job, next);
			return job;
		}
	}
	return NULL;
}

static void *compile_jobs(void *arg)
{
	struct hm_compiler *c = arg;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		struct hm_compile_job *job = next_job(c);
		bool slow;

		if (!job) {
			pthread_cond_wait(&c->work, &c->lock);
			continue;
		}
		slow = !job->quick;
		c->busy++;
		c->busy_slow += slow;
		atomic_store_explicit(&job->state, JOB_RUNNING, memory_order_relaxed);
		pthread_mutex_unlock(&c->lock);
		job->part = hm_search_part_compile(job->set, c->cache, &job->err);
		atomic_store_explicit(&job->state, JOB_DONE,
				      memory_order_release); // hm_compile_done
		pthread_mutex_lock(&c->lock);
		c->busy--;
		c->busy_slow -= slow;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct hm_compiler *hm_compiler_create(struct hm_search_cache *cache)
{
	struct hm_compiler *c = calloc(1, sizeof(*c));
	const struct sched_param none = {0};

	if (!c) {
		hm_search_cache_destroy(cache);
		return NULL;
	}
	c->cache = cache;
	STAILQ_INIT(&c->jobs);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	// the affinity is inherited from the control core, never a worker's
	for (; c->n_threads < THREADS; c->n_threads++) {
		pthread_t *thread = &c->threads[c->n_threads];

		if (pthread_create(thread, NULL, compile_jobs, c) != 0) {
			hm_compiler_destroy(c);
			return NULL;
		}
		pthread_setname_np(*thread, "homard-compile");
		// so that the control core's loop, which shares the core, need not wait for a time slice
		pthread_setschedparam(*thread, SCHED_BATCH, &none);
	}
	return c;
}

bool hm_compiler_destroy(struct hm_compiler *c)
{
	bool busy;

	if (!c)
		return true;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	busy = c->busy > 0;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->n_threads; i++)
		busy ? pthread_detach(c->threads[i]) : pthread_join(c->threads[i], NULL);
	if (busy)
		return false;
	pthread_cond_destroy(&c->work);
	pthread_mutex_destroy(&c->lock);
	hm_search_cache_destroy(c->cache);
	free(c);
	return true;
}

struct hm_search_cache *hm_compiler_cache(const struct hm_compiler *c)
{
	return c->cache;
}

struct hm_compile_job *hm_compiler_submit(struct hm_compiler *c, struct hm_pattern_set *set,
					  bool quick)
{
	struct hm_compile_job *job = calloc(1, sizeof(*job));

	if (!job) {
		hm_pattern_set_destroy(set);
		return NULL;
	}
	job->set = set;
	job->quick = quick;
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

struct hm_search_part *hm_compile_take(struct hm_compile_job *job, struct hm_error *err)
{
	struct hm_search_part *part;

	if (atomic_load_explicit(&job->state, memory_order_acquire) == JOB_RUNNING)
		return NULL; // the compiler was left to itself: so is its job
	part = job->part;
	if (!part && err)
		*err = job->err;
	hm_pattern_set_destroy(job->set);
	free(job);
	return part;
}
