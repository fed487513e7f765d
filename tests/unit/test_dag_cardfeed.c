/* SPDX-License-Identifier: BSD-3-Clause */
/* A card that homard-cardfeed feeds, read through the driver by this process.
 *
 *	test_dag_cardfeed /path/of/homard-cardfeed
 */
#include "dag_card.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "pmd_dag/sim/libdag.h"

extern char **environ;

static const char *program;
static char folder[] = "/tmp/test_dag_cardfeed_XXXXXX";
static char cards[64];

static void describe(const char *keys)
{
	FILE *f = fopen(cards, "w");
	assert_non_null(f);
	fprintf(f, "{\"dag0\": {\"shared\": \"card\", \"buffer_mb\": 1, \"sequence\": true, %s}}",
		keys);
	fclose(f);
	setenv("DAG_SIM_CARDS", cards, 1);
}

static pid_t feed(const char *card)
{
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--json",
			(char *)(uintptr_t)card, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	char out[80];
	snprintf(out, sizeof(out), "%s/out", folder);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A number of what the feeder printed.
static uint64_t told(const char *key)
{
	char path[80];
	snprintf(path, sizeof(path), "%s/out", folder);
	json_t *root = json_load_file(path, 0, NULL);
	assert_non_null(root);
	json_t *value = json_object_get(root, key);
	assert_true(json_is_integer(value));
	uint64_t n = (uint64_t)json_integer_value(value);
	json_decref(root);
	return n;
}

static void forget_card(void)
{
	char path[80];
	snprintf(path, sizeof(path), "%s/card", folder);
	unlink(path);
}

static void read_all(struct tally *t, uint16_t port, uint64_t want)
{
	for (time_t late = time(NULL) + 60; t->packets < want && time(NULL) < late;)
		if (tally_burst(t, port, 0, 64) == 0)
			usleep(20);
}

static void test_lossless_feed_arrives_whole_whoever_comes_first(void **state)
{
	(void)state;
	for (int reader_first = 0; reader_first < 2; reader_first++) {
		struct tally t = {0};
		pid_t pid = 0;
		describe("\"generator\": {\"packets\": 20000}, \"poison\": true");
		if (!reader_first)
			pid = feed("dag0");
		uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
		if (reader_first)
			pid = feed("dag0");
		read_all(&t, port, 20000);
		assert_int_equal(wait_for(pid), 0);
		assert_int_equal(t.packets, 20000);
		assert_int_equal(t.gaps + t.damaged, 0);
		assert_int_equal(told("sent"), 20000);
		assert_int_equal(told("dropped"), 0);
		assert_int_equal(card_status().violations, 0);
		dag_port_close(port);
		forget_card();
	}
}

static void test_lossy_feed_adds_up(void **state)
{
	struct tally t = {0};
	int status;
	(void)state;
	describe("\"generator\": {\"packets\": 30000}, \"rate_pps\": 200000, \"lossy\": true, "
		 "\"drop_base\": 4294967290, \"drop_bits\": 32, "
		 "\"faults\": [{\"fault\": \"random\", \"at\": 1, \"every\": 500, \"seed\": 4}]");
	uint16_t port = dag_port_open("net_dag_t", CARD_ATTR, 1, 1024, pool);
	pid_t pid = feed("dag0");
	while (waitpid(pid, &status, WNOHANG) == 0) {
		tally_burst(&t, port, 0, 64);
		usleep(500);
	}
	assert_int_equal(status, 0);
	while (tally_burst(&t, port, 0, 64) + tally_burst(&t, port, 0, 64) > 0)
		;
	assert_true(told("dropped") > 100);
	assert_int_equal(told("sent"), t.packets + told("dropped") + told("spoiled"));
	assert_int_equal(port_missed(port), told("dropped"));
	assert_int_equal(t.damaged, 0);
	dag_port_close(port);
	forget_card();
}

static void test_second_feeder_goes_on_where_the_first_was_killed(void **state)
{
	struct tally t = {0};
	(void)state;
	describe("\"generator\": {\"packets\": 0}");
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	pid_t pid = feed("dag0");
	read_all(&t, port, 1000);
	pid_t other = feed("dag0"); // busy: there is one already
	assert_int_equal(wait_for(other), 1);
	kill(pid, SIGKILL);
	assert_int_equal(wait_for(pid), -SIGKILL);
	for (int i = 0; i < 100; i++) // what is left, then nothing: a quiet stream
		tally_burst(&t, port, 0, 512);
	assert_int_equal(rte_eth_dev_is_removed(port), 0);
	assert_int_equal(t.damaged + t.gaps, 0);
	struct tally again = {0}; // its numbers begin again
	pid = feed("dag0");
	read_all(&again, port, 1000);
	assert_true(again.packets >= 1000);
	assert_int_equal(again.damaged + again.gaps, 0);
	kill(pid, SIGTERM);
	assert_int_equal(wait_for(pid), 0);
	dag_port_close(port);
	forget_card();
}

static void test_silent_feeder_is_an_unplugged_card(void **state)
{
	struct tally t = {0};
	(void)state;
	describe("\"generator\": {\"packets\": 0}, \"unplug_ms\": 200");
	uint16_t port = dag_port_open("net_dag_t", CARD_ARGS, 1, 1024, pool);
	pid_t pid = feed("dag0");
	read_all(&t, port, 100);
	kill(pid, SIGKILL);
	wait_for(pid);
	for (time_t late = time(NULL) + 60; !rte_eth_dev_is_removed(port) && time(NULL) < late;)
		if (tally_burst(&t, port, 0, 64) == 0)
			usleep(1000);
	assert_int_equal(rte_eth_dev_is_removed(port), 1);
	assert_int_equal(t.damaged + t.gaps, 0);
	dag_port_close(port);
	forget_card();
}

// Another process attaches the stream, tells so by its exit code or by stopping, and is killed.
static pid_t attach_elsewhere(void)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	char name[] = "dag0";
	int fd = dag_open(name);
	if (fd < 0 || dag_attach_stream64(fd, 0, 0, 0) < 0)
		_exit(errno == EBUSY ? 16 : 1);
	raise(SIGSTOP);
	_exit(0);
}

static void test_stream_is_busy_until_its_process_has_died(void **state)
{
	int status;
	(void)state;
	describe("\"generator\": {\"packets\": 1000}");
	pid_t pid = attach_elsewhere();
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	uint16_t port = dag_port_setup("net_dag_t", CARD_ARGS, 1, 64, pool);
	assert_int_equal(rte_eth_dev_start(port), -EBUSY);
	kill(pid, SIGKILL);
	assert_int_equal(wait_for(pid), -SIGKILL);
	assert_int_equal(rte_eth_dev_start(port), 0);
	assert_int_equal(wait_for(attach_elsewhere()), 16); // the other way round
	dag_port_close(port);
	forget_card();
}

static void test_wrong_descriptions_and_files_are_refused(void **state)
{
	static const char *const wrong[] = {
		"\"generator\": {\"packets\": 1}, \"faults\": 1",
		"\"generator\": {\"packets\": 1}, \"faults\": [{}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"fire\"}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"pad\", \"value\": 8}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"pad\", \"ms\": 8}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"pad\", \"at\": -1}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"record\"}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"record\", \"hex\": "
		"\"0g\"}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"error\", \"value\": "
		"\"EPERM\"}]",
		"\"generator\": {\"packets\": 1}, \"faults\": [{\"fault\": \"random\"}]",
		"\"generator\": {\"packets\": 1}, \"rules\": [{\"color\": 65536}]",
		"\"generator\": {\"packets\": 1}, \"rules\": [{\"stream\": 2}]",
		"\"generator\": {\"packets\": 1}, \"rules\": [{\"protocol\": \"tpc\"}]",
		"\"generator\": {\"packets\": 1}, \"rules\": [{\"drop\": 1}]",
		"\"generator\": {\"packets\": 1}, \"rules\": {}",
		"\"generator\": {\"packets\": 1}, \"rate_pps\": 5, \"pace\": \"x2\"",
		"\"generator\": {\"packets\": 1}, \"drop_bits\": 33",
		"\"trace\": \"no-such-file.erf\"",
	};
	char path[80];
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(wrong); i++) {
		describe(wrong[i]);
		if (wait_for(feed("dag0")) != 1)
			fail_msg("accepted: %s", wrong[i]);
	}
	describe("\"generator\": {\"packets\": 1}");
	assert_int_equal(wait_for(feed("dag7")), 1);
	forget_card();
	snprintf(path, sizeof(path), "%s/card", folder); // not a card, and the wrong shape
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 100000; i++)
		fputc('x', f);
	fclose(f);
	assert_int_equal(wait_for(feed("dag0")), 1);
	assert_true(dag_port_probe("net_dag_t", CARD_ARGS) < 0);
	forget_card();
	assert_int_equal(wait_for(feed("dag0")), 0);
	describe("\"generator\": {\"packets\": 1}, \"streams\": 2");
	assert_int_equal(wait_for(feed("dag0")), 1);
	assert_int_equal(truncate(path, 70000), 0);
	describe("\"generator\": {\"packets\": 1}");
	assert_int_equal(wait_for(feed("dag0")), 1);
	assert_true(dag_port_probe("net_dag_t", CARD_ARGS) < 0);
	forget_card();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lossless_feed_arrives_whole_whoever_comes_first),
		cmocka_unit_test(test_lossy_feed_adds_up),
		cmocka_unit_test(test_second_feeder_goes_on_where_the_first_was_killed),
		cmocka_unit_test(test_silent_feeder_is_an_unplugged_card),
		cmocka_unit_test(test_stream_is_busy_until_its_process_has_died),
		cmocka_unit_test(test_wrong_descriptions_and_files_are_refused),
	};
	if (argc != 2 || !mkdtemp(folder) || dag_port_eal() < 0)
		return 1;
	program = argv[1];
	snprintf(cards, sizeof(cards), "%s/cards.json", folder);
	pool = dag_port_pool("pool", 4095, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	char remove[128];
	snprintf(remove, sizeof(remove), "rm -r %s", folder);
	return system(remove) != 0 ? 1 : failed;
}
