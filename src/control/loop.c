/* SPDX-License-Identifier: BSD-3-Clause */
/* loop: see loop.h. While the engine has work it is polled in every turn of the loop, else each
 * millisecond. */
#include "control/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "control/control.h"
#include "control/server.h"
#include "core/log.h"

#define IDLE_MS 1

HM_LOG_TYPE(loop);

struct loop {
	uv_loop_t uv;
	struct hm_control control;
	struct hm_server *server;
	uv_idle_t busy;
	uv_timer_t idle;
	uv_signal_t interrupt, terminate, hangup;
	unsigned n_signals;
	int result;
	bool ready, ending;
};

static void end(struct loop *l, int result)
{
	if (l->ending)
		return;
	l->ending = true;
	l->result = result;
	uv_close((uv_handle_t *)&l->busy, NULL);
	uv_close((uv_handle_t *)&l->idle, NULL);
	uv_close((uv_handle_t *)&l->interrupt, NULL);
	uv_close((uv_handle_t *)&l->terminate, NULL);
	uv_close((uv_handle_t *)&l->hangup, NULL);
	hm_server_close(l->server);
}

/* Whoever waits for us may read the configured flows at once. */
static void tell_ready(struct loop *l)
{
	if (l->ready || !hm_engine_ready(l->control.engine))
		return;
	l->ready = true;
	sd_notify(0, "READY=1");
	HM_LOG(NOTICE, "ready socket=%s", l->control.config->control.socket);
}

static void after_poll(struct loop *l)
{
	tell_ready(l);
	if (l->control.stopping && !l->control.reloading && hm_engine_stopped(l->control.engine))
		end(l, 0);
}

static void on_busy(uv_idle_t *h);

static void on_idle(uv_timer_t *h)
{
	struct loop *l = h->data;
	if (hm_engine_poll(l->control.engine) > 0) {
		uv_timer_stop(&l->idle);
		uv_idle_start(&l->busy, on_busy);
	}
	after_poll(l);
}

static void on_busy(uv_idle_t *h)
{
	struct loop *l = h->data;
	if (hm_engine_poll(l->control.engine) == 0) {
		uv_idle_stop(&l->busy);
		uv_timer_start(&l->idle, on_idle, IDLE_MS, IDLE_MS);
	}
	after_poll(l);
}

static void on_stop_signal(uv_signal_t *h, int number)
{
	struct loop *l = h->data;
	switch (++l->n_signals) {
	case 1:
		HM_LOG(NOTICE, "stopping signal=%d", number);
		hm_control_stop(&l->control);
		break;
	case 2:
		HM_LOG(NOTICE, "still counting and exporting what was received; once more gives "
			       "it up");
		break;
	default:
		HM_LOG(ERR, "gave up on what was left");
		end(l, -EINTR);
	}
}

static void on_hangup(uv_signal_t *h, int number)
{
	struct loop *l = h->data;
	hm_control_reload(&l->control, NULL);
}

/* Those that the loop handles. */
static void mask_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(how, &set, NULL);
}

void hm_control_hold_signals(void)
{
	mask_signals(SIG_BLOCK);
}

static void open_handles(struct loop *l)
{
	uv_idle_init(&l->uv, &l->busy);
	uv_timer_init(&l->uv, &l->idle);
	uv_signal_init(&l->uv, &l->interrupt);
	uv_signal_init(&l->uv, &l->terminate);
	uv_signal_init(&l->uv, &l->hangup);
	l->busy.data = l->idle.data = l;
	l->interrupt.data = l->terminate.data = l->hangup.data = l;
	uv_timer_start(&l->idle, on_idle, IDLE_MS, IDLE_MS);
	uv_signal_start(&l->interrupt, on_stop_signal, SIGINT);
	uv_signal_start(&l->terminate, on_stop_signal, SIGTERM);
	uv_signal_start(&l->hangup, on_hangup, SIGHUP);
	mask_signals(SIG_UNBLOCK); // what was held back comes now
}

/* One line a device, and whether everything adds up; the whole of it, for programs, on stdout. */
static void log_ledger(struct hm_engine *e)
{
	json_t *ledger = hm_ledger(e), *d;
	size_t i;
	json_array_foreach (json_object_get(ledger, "devices"), i, d) {
		const char *name = json_string_value(json_object_get(d, "name"));
		HM_LOG(NOTICE,
		       "ledger device=%s received=%" PRId64 " parsed=%" PRId64 " balanced=%s",
		       name ? name : "?",
		       (int64_t)json_integer_value(json_object_get(d, "received")),
		       (int64_t)json_integer_value(json_object_get(d, "parsed")),
		       json_is_true(json_object_get(d, "balanced")) ? "yes" : "no");
	}
	HM_LOG(NOTICE, "ledger balanced=%s",
	       json_is_true(json_object_get(ledger, "balanced")) ? "yes" : "no");
	json_dumpf(ledger, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(ledger);
}

int hm_control_run(struct hm_engine *e, const struct hm_config *config, struct hm_error *err)
{
	struct loop l = {0};
	signal(SIGPIPE, SIG_IGN);
	int done = uv_loop_init(&l.uv);
	if (done < 0)
		return hm_error_set(err, done, 0, "no event loop: %s", uv_strerror(done));
	done = hm_control_init(&l.control, &l.uv, e, config, err);
	if (done < 0) {
		uv_loop_close(&l.uv);
		return done;
	}
	l.server = hm_server_create(&l.control, err);
	if (l.server) {
		open_handles(&l);
		uv_run(&l.uv, UV_RUN_DEFAULT);
		log_ledger(e);
		done = l.result;
		if (done < 0)
			hm_error_set(err, done, 0,
				     "stopped before everything was counted and exported: see the "
				     "ledger above");
	} else {
		done = -EADDRINUSE;
	}
	hm_control_fini(&l.control);
	uv_loop_close(&l.uv);
	return done;
}
