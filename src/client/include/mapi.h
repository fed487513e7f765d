/* SPDX-License-Identifier: BSD-3-Clause */
/* mapi.h: the monitoring API of MAPI 1.x and 2.0, spoken to homardd. Link with -lmapi.
 *
 *	int fd = mapi_create_flow("eth0");
 *	int web = mapi_apply_function(fd, "BPF_FILTER", "tcp port 80");
 *	int packets = mapi_apply_function(fd, "PKT_COUNTER");
 *	mapi_connect(fd);
 *	mapi_results_t *r = mapi_read_results(fd, packets);
 *	printf("%llu\n", *(unsigned long long *)r->res);
 *
 * A call that fails returns -1 or NULL, and mapi_read_error() tells why. The error belongs to the thread. All
 * calls may be made from several threads at once; what a call returns a pointer to is overwritten by the next one
 * of the same kind for the same function. The library prints nothing and never ends the program. After fork() the
 * child has no flows of its parent, and may create its own.
 *
 * Descriptors of flows and functions are positive. Times of packets are 2^-32 s since 1970 (the upper 32 bits are
 * seconds). The daemon's socket is HOMARD_SOCKET in the environment, or /run/homard/control.sock.
 */
#ifndef MAPI_H
#define MAPI_H

#include <mapi/binop.h> /* the tutorial's programs look for it nowhere else */
#include <sys/ipc.h>
#include <sys/types.h>
#include <syslog.h>
#include <time.h>

#include <mapi/binop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- constants --- */

#define MAPI_STR_LENGTH      256
#define MAPI_ERRORSTR_LENGTH 512 /* what mapi_read_error() needs */
#define DEFAULT_DIMAPI_PORT  2233
#define PAPI                 10

#ifndef MAPI_UNUSED
#define MAPI_UNUSED __attribute__((__unused__))
#endif

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
typedef int boolean_t;

/* Types of arguments. */
#define INT                1
#define STRING             2
#define UNSIGNED_LONG_LONG 3
#define CHAR               4
typedef unsigned char mapiFunctArg;

/* Formats of traces. */
#define MFF_PCAP         0
#define MFF_RAW          1
#define MFF_DAG_ERF      2
#define MFF_ERF          MFF_DAG_ERF
#define MFF_COMBO6       3
#define MFF_NAPATECH     4
#define MFF_PCAP_STR     "MFF_PCAP"
#define MFF_DAG_ERF_STR  "MFF_DAG_ERF"
#define MFF_NAPATECH_STR "MFF_NAPATECH"

/* How MAPI 1.x passed a result; without meaning now. */
#define MAPI_COPY 0
#define MAPI_REF  1

/* COOKING: the side whose data are collected. */
#define CLIENT_SIDE 1
#define SERVER_SIDE 2
#define BOTH_SIDE   3

/* TO_BUFFER: whether mapi_get_next_pkt() waits for a packet. */
#define WAIT   0
#define NOWAIT 1

enum mapi_device_status {
	DEVICE_ONLINE,
	DEVICE_SETUP,
	DEVICE_READING,
	DEVICE_FINISHED,
	DEVICE_DELETED
};

enum mapi_flow_status {
	FLOW_INIT,     /* not connected */
	FLOW_ACTIVE,   /* connected */
	FLOW_FINISHED, /* its trace has been read to the end */
	FLOW_CLOSED
};

/* --- structures --- */

typedef struct mapi_flow_info {
	uid_t uid; /* of its owner */
	int fd;
	int devid;
	char device[MAPI_STR_LENGTH];
	unsigned num_functions;
	time_t start; /* when it was connected, 0: not yet */
	time_t end;   /* when it was closed, 0: not yet */
	enum mapi_flow_status status;
} mapi_flow_info_t;

typedef struct mapi_function_info {
	int fid;
	char name[MAPI_STR_LENGTH];
	char libname[MAPI_STR_LENGTH];
	char devtype[MAPI_STR_LENGTH];
	unsigned long long pkts;        /* that reached it */
	unsigned long long passed_pkts; /* that went on */
	int result_size;                /* bytes, 0: no result */
} mapi_function_info_t;

typedef struct mapi_device_info {
	int id;
	char device[MAPI_STR_LENGTH]; /* what mapi_create_flow() takes */
	char name[MAPI_STR_LENGTH];   /* of its driver */
	char alias[MAPI_STR_LENGTH];
	char description[1024];
	int link_speed; /* Mbit/s, 0: unknown */
	int mpls;
	int vlan;
} mapi_device_info_t;

typedef struct mapi_lib_info {
	int id;
	char libname[MAPI_STR_LENGTH];
	unsigned int functs;
} mapi_lib_info_t;

typedef struct mapi_libfunct_info {
	char name[MAPI_STR_LENGTH];
	char descr[1024];
	char argdescr[MAPI_STR_LENGTH]; /* a letter an argument: s S i r f c l w */
	char devtype[MAPI_STR_LENGTH];
} mapi_libfunct_info_t;

struct mapi_stat {
	unsigned int ps_recv;
	unsigned int ps_drop;
	unsigned int ps_ifdrop;
	char hostname[MAPI_STR_LENGTH];
	char dev[MAPI_STR_LENGTH];
};

typedef struct mapi_results {
	void *res; /* the library's, until the next read of the function, or its flow's end */
	unsigned long long ts; /* us since 1970 when it was read */
	int size;              /* bytes at res */
} mapi_results_t;

typedef struct mapi_result {
	void *res;
	unsigned size;
} mapi_result_t;

/* A packet: caplen bytes from &pkt on, beginning with the link header. */
struct mapipkt {
	unsigned long long ts; /* 2^-32 s since 1970 */
	unsigned short ifindex;
	unsigned int caplen; /* bytes captured */
	unsigned int wlen;   /* bytes on the wire */
	unsigned char pkt;
};

typedef void (*mapi_handler)(const struct mapipkt *);

/* --- flows --- */

/* All packets of a device; or of a trace, by a path with a slash in it, which the caller's rights must open and which
 * is read from mapi_connect() on. Returns a descriptor. 6157: no name, 3200: no such device, 6155: the trace cannot be
 * opened, 5123: nobody answers. */
int mapi_create_flow(const char *dev);
/* Appends a function; its arguments follow as the function wants them. Returns its descriptor in this flow.
 * 6144: no such function, 7001 and up: argument 1 and up. */
int mapi_apply_function(int fd, const char *funct, ...);
/* The same with nargs arguments written as text. */
int mapi_apply_function_array(int fd, const char *funct, char **args, unsigned nargs);
/* From now on the flow sees packets. 3081: it does already. */
int mapi_connect(int fd);
int mapi_close_flow(int fd);

/* --- traces --- */

/* Makes a device of a trace, which the caller's rights must open. Its name is from malloc(). It is read once, from
 * mapi_start_offline_device() on. */
char *mapi_create_offline_device(const char *path, int format);
int mapi_start_offline_device(const char *dev);
/* Does not free the name. */
int mapi_delete_offline_device(char *dev);
/* A flow on a trace of its own, read from mapi_connect() on. */
int mapi_create_offline_flow(const char *path, int format);

/* --- results and packets --- */

/* The latest result of a function. BUCKET, HASHSAMP, THRESHOLD and FLOW_REPORT wait for their next one. 6146: it has
 * none, or no more. */
mapi_results_t *mapi_read_results(int fd, int fid);
/* The next packet of TO_BUFFER; NULL without error at the end of a trace, and with NOWAIT when none is there. */
struct mapipkt *mapi_get_next_pkt(int fd, int fid);
struct mapipkt *mapi_get_next_packet(int fd, int fid);
/* Calls cb for the next cnt packets, for all if cnt is 0 or less. 0 also at the end of a trace. */
int mapi_loop(int fd, int fid, int cnt, mapi_handler cb);

/* --- errors --- */

/* Number and text of this thread's last error, either may be NULL; forgets it. 0: there was none. */
int mapi_read_error(int *err_no, char *errorstr);

/* --- what there is --- */

int mapi_get_flow_info(int fd, mapi_flow_info_t *info);
/* Of all users: the one whose number in the daemon is the next above fd. */
int mapi_get_next_flow_info(int fd, mapi_flow_info_t *info);
int mapi_get_function_info(int fd, int fid, mapi_function_info_t *info);
int mapi_get_next_function_info(int fd, int fid, mapi_function_info_t *info);
int mapi_get_device_info(int devid, mapi_device_info_t *info);
int mapi_get_next_device_info(int devid, mapi_device_info_t *info);
int mapi_get_library_info(int libnum, mapi_lib_info_t *info);
int mapi_get_next_library_info(int libnum, mapi_lib_info_t *info);
int mapi_get_libfunct_info(int libnum, int fnum, mapi_libfunct_info_t *info);
int mapi_get_next_libfunct_info(int libnum, int fnum, mapi_libfunct_info_t *info);
/* Packets received and lost by a device. Returns the number of devices, 1. */
int mapi_stats(const char *dev, struct mapi_stat *stats);
int mapi_get_scope_size(int fd);
int mapi_is_remote(int fd);

/* --- calls that count their arguments ---
 *
 * A macro sees how many arguments there are, and how wide each is, where a function that takes "..." can only
 * believe. So a missing argument is an error, an optional one may be left out, and an int where 64 bits are wanted
 * is widened. Taking the address of such a function gives the plain one. */

/* What mapi_apply_function() stands for: n arguments follow, bit i of `narrow` says that number i is an int. */
int mapi_apply_function_counted(int fd, const char *funct, unsigned n, unsigned narrow, ...);

#define MAPI_16TH_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, ...) _16
/* How many, 1 to 13. */
#define MAPI_COUNT_(...)  MAPI_16TH_(__VA_ARGS__, 0, 0, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define MAPI_JOIN__(a, b) a##b
#define MAPI_JOIN_(a, b)  MAPI_JOIN__(a, b)
/* Of each whether it is an int, after promotion; it is not evaluated. An array is a pointer. */
#ifdef __cplusplus
extern "C++" {
template <typename T> char (&mapi_width_(T))[sizeof(T) <= sizeof(int) ? 1 : 2];
}
#define MAPI_INT_(a) (2u - (unsigned)sizeof(mapi_width_(a)))
#else
#define MAPI_INT_(a) (sizeof(__typeof__(1 ? (a) : (a))) <= sizeof(int) ? 1u : 0u)
#endif
#define MAPI_INTS_1(a)       MAPI_INT_(a)
#define MAPI_INTS_2(a, ...)  (MAPI_INT_(a) | MAPI_INTS_1(__VA_ARGS__) << 1)
#define MAPI_INTS_3(a, ...)  (MAPI_INT_(a) | MAPI_INTS_2(__VA_ARGS__) << 1)
#define MAPI_INTS_4(a, ...)  (MAPI_INT_(a) | MAPI_INTS_3(__VA_ARGS__) << 1)
#define MAPI_INTS_5(a, ...)  (MAPI_INT_(a) | MAPI_INTS_4(__VA_ARGS__) << 1)
#define MAPI_INTS_6(a, ...)  (MAPI_INT_(a) | MAPI_INTS_5(__VA_ARGS__) << 1)
#define MAPI_INTS_7(a, ...)  (MAPI_INT_(a) | MAPI_INTS_6(__VA_ARGS__) << 1)
#define MAPI_INTS_8(a, ...)  (MAPI_INT_(a) | MAPI_INTS_7(__VA_ARGS__) << 1)
#define MAPI_INTS_9(a, ...)  (MAPI_INT_(a) | MAPI_INTS_8(__VA_ARGS__) << 1)
#define MAPI_INTS_10(a, ...) (MAPI_INT_(a) | MAPI_INTS_9(__VA_ARGS__) << 1)
#define MAPI_INTS_11(a, ...) (MAPI_INT_(a) | MAPI_INTS_10(__VA_ARGS__) << 1)
#define MAPI_INTS_12(a, ...) (MAPI_INT_(a) | MAPI_INTS_11(__VA_ARGS__) << 1)
#define MAPI_INTS_13(a, ...) (MAPI_INT_(a) | MAPI_INTS_12(__VA_ARGS__) << 1)
#define MAPI_INTS_(...)      MAPI_JOIN_(MAPI_INTS_, MAPI_COUNT_(__VA_ARGS__))(__VA_ARGS__)

#define MAPI_APPLY_0_(fd, funct) mapi_apply_function_counted(fd, funct, 0u, 0u)
#define MAPI_APPLY_N_(fd, funct, ...)                                                             \
	mapi_apply_function_counted(fd, funct, MAPI_COUNT_(__VA_ARGS__), MAPI_INTS_(__VA_ARGS__), \
				    __VA_ARGS__)
#define MAPI_APPLY_FEW_(fd) (mapi_apply_function)(fd)
#define mapi_apply_function(...)                                                              \
	MAPI_16TH_(__VA_ARGS__, MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_N_,   \
		   MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_N_, \
		   MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_N_, MAPI_APPLY_0_, \
		   MAPI_APPLY_FEW_, 0)                                                        \
	(__VA_ARGS__)

/* MAPI 1.x gave mapi_read_results() a third argument, MAPI_REF or MAPI_COPY. It may be there and means nothing: the
 * answer is a mapi_results_t all the same. Programs that take it for the result itself, as those of 1.x and of the
 * tutorial do, are compiled with -DMAPI_RESULT_IS_VALUE. */
#ifdef MAPI_RESULT_IS_VALUE
MAPI_UNUSED static inline void *mapi_read_value_(int fd, int fid)
{
	mapi_results_t *r = mapi_read_results(fd, fid);
	return r ? r->res : 0;
}
#define MAPI_READ_(fd, fid, ...) mapi_read_value_(fd, fid)
#else
#define MAPI_READ_(fd, fid, ...) (mapi_read_results)(fd, fid)
#endif
#define mapi_read_results(...) MAPI_READ_(__VA_ARGS__, 0, 0)

#ifdef __cplusplus
}
#endif

#endif
