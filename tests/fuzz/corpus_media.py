#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""corpus_media: messages of SIP and RTSP, good and bad, as seeds for fuzz_media.

usage: corpus_media.py FOLDER
"""
import pathlib
import sys

LINES = ["c=IN IP4 192.0.2.1", "c=IN IP4 224.2.36.42/127/3", "c=IN IP6 2001:db8::7", "c=IN IP4 0.0.0.0", "c=IN IP6 " + "f" * 60, "c=",
         "m=audio 49170 RTP/AVP 0", "m=video 51372/2 RTP/AVP 31", "m=audio 0 RTP/AVP 0", "m=audio 65535 RTP/AVP 0",
         "m=audio 99999999999 RTP/AVP 0", "m=audio 4000/9 RTP/AVP 0", "m=audio", "m=application 9 TCP/BFCP *",
         "Transport: RTP/AVP;unicast;client_port=4588-4589;server_port=6256-6257",
         "Transport: RTP/AVP;client_port=1-17,RTP/AVP;client_port=9-8;client_port=;client_port", "Transport:", ";;,,"]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    first = ["INVITE sip:b@example.net SIP/2.0", "SETUP rtsp://a/b RTSP/1.0", "RTSP/1.0 200 OK"]
    seeds = ["\r\n".join([begin, line, ""]) for begin in first for line in LINES]
    seeds += [end.join([begin] + LINES + [""]) for begin in first for end in ("\r\n", "\n")]
    for i, seed in enumerate(seeds + LINES + [""]):
        (folder / ("%03d" % i)).write_bytes(seed.encode())


if __name__ == "__main__":
    main()
