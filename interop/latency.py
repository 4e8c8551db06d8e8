"""How long probes are on their way beside a load. The namespaces are of one machine and have one clock.

latency.py send DST PORT SIZE SECONDS    UDP datagrams of SIZE octets of IP, one each millisecond; prints when each was sent
latency.py take INTERFACE LOW HIGH       when each frame longer than LOW and shorter than HIGH came; until a line comes
"""
import json
import socket
import struct
import sys
import time

SO_TIMESTAMPNS, SO_ATTACH_FILTER, ETH_P_ALL = 35, 26, 3
EVERY = 0.001


def send(dst, port, size, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((dst, port))
    data, times, end = bytes(size - 28), [], time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(time.time_ns())
        s.send(data)
        time.sleep(EVERY)
    print(json.dumps(times))


def take(interface, low, high):
    import ctypes
    import select
    # length; not above LOW: drop; HIGH or above: drop; whole frame; drop
    program = [(0x80, 0, 0, 0), (0x25, 0, 2, low), (0x35, 1, 0, high), (0x06, 0, 0, 0xffff), (0x06, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code)))
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    s.bind((interface, ETH_P_ALL))
    print("ready", flush=True)
    times = []
    while True:
        readable, _, _ = select.select([s, sys.stdin], [], [])
        if s in readable:
            _, more, _, address = s.recvmsg(64, 64)
            if address[2] != socket.PACKET_OUTGOING:
                times.append(next(sec * 10**9 + ns for _, kind, d in more if kind == SO_TIMESTAMPNS
                                  for sec, ns in [struct.unpack("qq", d[:16])]))
        elif sys.stdin in readable:
            break
    print(json.dumps(times))


def figures(sent, came):
    """Milliseconds; probes keep their order, so that the n-th to come is the n-th sent unless one is lost."""
    r = {"sent": len(sent), "lost": len(sent) - len(came)}
    if sent and len(sent) == len(came):
        ms = sorted((b - a) / 1e6 for a, b in zip(sent, came))
        r.update((name, round(ms[min(int(len(ms) * part), len(ms) - 1)], 3)) for name, part in (("p50", .5), ("p99", .99), ("max", 1)))
    return r


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "send":
        send(words[0], int(words[1]), int(words[2]), float(words[3]))
    else:
        take(words[0], int(words[1]), int(words[2]))
