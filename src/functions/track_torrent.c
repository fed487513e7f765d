/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_TORRENT passes connections of BitTorrent: its handshake (BEP 3), questions to trackers, its DHT (BEP 5),
 * searches for peers nearby (BEP 14), and Azureus' messages. */
#include "track/tracker.h"

static const struct hm_signature signatures[] = {
	HM_SIGNATURE("\023BitTorrent protocol", 20),
	HM_SIGNATURE("BT-SEARCH * HTTP/", 17),
	HM_SIGNATURE("GET /scrape?info_hash=", 100),
	HM_SIGNATURE("GET /announce?info_hash=", 100),
	HM_SIGNATURE("d1:rd2:id20:", 20),
	HM_SIGNATURE("d1:ad2:id20:", 20),
	HM_SIGNATURE("User-Agent: Azureus", 100),
	HM_SIGNATURE("/scrape?info_hash=", 100),
	HM_SIGNATURE("BT_PIECE", 50),
	HM_SIGNATURE("BT_REQUEST", 50),
	HM_SIGNATURE("BT_CHOKE", 50),
	HM_SIGNATURE("BT_UNCHOKE", 50),
	HM_SIGNATURE("BT_HAVE", 50),
	HM_SIGNATURE("BT_UNINTERESTED", 50),
	HM_SIGNATURE("BT_INTERESTE", 50),
	HM_SIGNATURE("BT_BITFIELD", 50),
	HM_SIGNATURE("BT_CANCEL", 50),
	{0},
};

// eDonkey, and hubs of Direct Connect, which carry its words in lists of files
static const uint16_t other_ports[] = {4662, 411, 0};

static const struct hm_track_protocol protocol = {
	.function = "TRACK_TORRENT",
	.signatures = signatures,
	.any_case = true,
	.udp = true,
	.other_ports = other_ports,
};

static int track_torrent_conf_init(void *conf, const union hm_value *args,
				   const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	(void)ctx;
	return hm_tracker_conf_init(conf, &protocol, args, err);
}

static const struct hm_function track_torrent = {
	.name = "TRACK_TORRENT",
	.summary = "passes connections of BitTorrent",
	.conf_init = track_torrent_conf_init,
	HM_TRACKER,
};

HM_FUNCTION_REGISTER(track_torrent);
