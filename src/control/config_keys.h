/* SPDX-License-Identifier: BSD-3-Clause */
/* config_keys: the tables of the configuration's keys. */
#pragma once

#include "control/keys.h"

extern const struct hm_key hm_config_keys[], hm_eal_keys[], hm_control_keys[], hm_search_keys[],
	hm_capture_keys[], hm_flow_report_keys[], hm_anonymize_keys[], hm_policy_keys[],
	hm_explain_keys[], hm_admission_keys[], hm_device_keys[], hm_flow_keys[], hm_netflow_keys[],
	hm_exporter_keys[];
